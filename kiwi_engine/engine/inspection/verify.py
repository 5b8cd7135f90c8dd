"""The complete check of an index and of the values it points to (shell; reads only).

Bounded memory: a window over a file, an index block of one table, and what RocksDB caches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Final

from kiwi_engine.engine.inspection import index as inspect_index
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.inspection.report import Findings
from kiwi_engine.engine.salvage.index import Gap, surviving_entries
from kiwi_engine.engine.state import STATE_KEY
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.table_check import check_table
from kiwi_engine.index.table_format import UnknownTableError
from kiwi_engine.vlog.format import Pointer
from kiwi_engine.vlog.reader import ValueLogReader

# Entries between two reports of progress.
_STEP: Final = 256
# All tables were there when the index was opened, or it would not have been.
_REPLACED: Final = "a running server replaced the table meanwhile"


def check_value(values: ValueLogReader, key: bytes, pointer: Pointer, findings: Findings) -> None:
    """Read what `pointer` means, and note if it is not there as it was written."""
    try:
        values.check(key, pointer)
    except CorruptionError as damage:
        findings.add("corruption", damage.path, damage.offset, damage.reason)


def verify_tables(fs: FileSystem, paths: list[str], findings: Findings, progress: Progress) -> int:
    """Check every byte of these tables; how many of them are as they were written."""
    sizes = [fs.size(path) if fs.exists(path) else 0 for path in paths]
    progress.start("tables", sum(sizes))
    before = accumulate(sizes, initial=0)
    return sum(
        _verify_table(fs, path, findings, partial(_reach, progress, begin))
        for path, begin in zip(paths, before, strict=False)
    )


def _reach(progress: Progress, before: int, reached: int) -> None:
    progress.reach(before + reached)


def _verify_table(
    fs: FileSystem, path: str, findings: Findings, reached: Callable[[int], None]
) -> bool:
    is_intact = True
    try:
        for damage in check_table(fs, path, reached):
            is_intact = False
            findings.add("corruption", damage.path, damage.offset, damage.reason)
    except UnknownTableError as unknown:
        findings.add("unreadable", path, 0, f"{unknown}: this build cannot check it")
        return False
    except FileNotFoundError:
        findings.add("note", path, 0, _REPLACED)
        return False
    except OSError as failure:
        findings.add("unreadable", path, 0, str(failure))
        return False
    return is_intact


class IndexVerifier:
    """Reads every byte of the tables of `index`, then every entry, and follows every pointer.

    `path` is its directory. The counts are of what is as it was written.
    """

    def __init__(
        self, path: str, index: RocksIndex, findings: Findings, progress: Progress
    ) -> None:
        self._path = path
        self._index = index
        self._findings = findings
        self._progress = progress
        self.tables = self.entries = self.pointers = 0

    def run(self, fs: FileSystem, values: ValueLogReader) -> None:
        """What is wrong goes to the findings."""
        tables = self._index.tables()
        self.tables = verify_tables(fs, tables, self._findings, self._progress)
        self._progress.start("index", self._index.facts().estimated_keys)
        gaps: list[Gap] = []
        for key, stored in surviving_entries(self._index, gaps):
            if key != STATE_KEY:
                self._verify_entry(key, stored, values)
        for gap in gaps:
            if gap.path in tables and not fs.exists(gap.path):
                self._findings.add("note", gap.path, 0, _REPLACED)
            else:
                self._findings.add("corruption", gap.path, gap.offset, gap.reason)

    def _verify_entry(self, key: bytes, stored: bytes, values: ValueLogReader) -> None:
        self.entries += 1
        if self.entries % _STEP == 0:
            self._progress.reach(self.entries)
        try:
            pointer = inspect_index.pointer_of(stored)
        except CorruptionError as damage:
            reason = f"the entry of key {key.hex()}: {damage.reason}"
            self._findings.add("corruption", self._path, 0, reason)
            return
        if pointer is not None:
            self.pointers += 1
            check_value(values, key, pointer, self._findings)
