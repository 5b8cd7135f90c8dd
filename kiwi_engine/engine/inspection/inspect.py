"""What opening a data directory would find, found without changing a byte of it (shell).

Reads the layout, the index's state, the whole commit log and the whole value log, and classifies as
recovery does (`engine.recovery.cases`). A torn tail of the value log is only harmless if nothing
that was durable points into it, so that is looked up. With `verify` also every byte of the index is
read and every pointer is followed. Takes no lock: beside a running server it sees writes in
progress.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from kiwi_engine.engine.inspection import index as inspect_index
from kiwi_engine.engine.inspection.log import LogInspector
from kiwi_engine.engine.inspection.owner import owner_of
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.inspection.report import DirectoryReport, Findings, IndexReport, LogReport
from kiwi_engine.engine.inspection.values import LogPointer, MissingValues, ValueLogInspector
from kiwi_engine.engine.inspection.verify import IndexVerifier, check_value, verify_tables
from kiwi_engine.engine.layout import Layout, Paths, check_layout, has_data, read_layout
from kiwi_engine.engine.recovery.cases import Case, LogEnding, RecoveryFacts, classify
from kiwi_engine.engine.state import IndexState
from kiwi_engine.errors import CorruptionError, IndexFailedError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.index.files import TABLE_SUFFIX
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.vlog.format import Pointer
from kiwi_engine.vlog.reader import ValueLogReader

_ENDING_WORDS: Final[dict[str, LogEnding]] = {
    "clean": "clean",
    "torn tail": "torn",
    "corruption": "corruption",
}
_NEW_INDEX: Final = IndexReport(
    version="none yet", applied_lsn=0, estimated_keys=0, table_files=0, table_bytes=0
)


def inspect_directory(
    fs: FileSystem, root: str, *, verify: bool, progress: Progress
) -> DirectoryReport:
    """The report on `root`.

    Raises `NotADirectoryError` unless `root` is a data directory, `LayoutError` where another
    format version wrote it, `OSError` where the system refuses to read. Damage is never raised.
    """
    paths = Paths(root)
    parts = (paths.layout, paths.wal, paths.values, paths.index)
    if not any(fs.exists(part) for part in parts):
        raise NotADirectoryError(f"{root} is not a Kiwi Engine data directory")
    owner = owner_of(root)
    findings = Findings()
    layout = _read_layout(fs, paths, findings)
    index = _open_index(paths.index, findings)
    try:
        inspection = _Inspection(fs, paths, index, findings, progress)
        return inspection.run(owner, layout, verify=verify)
    finally:
        if index is not None:
            index.close()


def _read_layout(fs: FileSystem, paths: Paths, findings: Findings) -> Layout | None:
    try:
        layout = read_layout(fs, paths)
    except CorruptionError as damage:
        findings.add("corruption", damage.path, damage.offset, damage.reason)
        return None
    if layout is not None:
        check_layout(layout, paths.layout)
    elif has_data(fs, paths):
        findings.add("corruption", paths.layout, 0, "the layout file is missing")
    return layout


def _open_index(path: str, findings: Findings) -> RocksIndex | None:
    try:
        return inspect_index.open_index(path)
    except CorruptionError as damage:
        findings.add("corruption", damage.path, damage.offset, damage.reason)
    except IndexFailedError as failure:
        findings.add("unreadable", path, 0, failure.reason)
    return None


class _Inspection:
    """One run; its parts share what was found."""

    def __init__(
        self,
        fs: FileSystem,
        paths: Paths,
        index: RocksIndex | None,
        findings: Findings,
        progress: Progress,
    ) -> None:
        self._fs = fs
        self._paths = paths
        self._index = index
        self._findings = findings
        self._progress = progress
        self._log = LogInspector(fs, paths.wal, progress)
        self._values = ValueLogInspector(fs, paths.values, progress)
        self._state = IndexState()

    def run(self, owner: int | None, layout: Layout | None, *, verify: bool) -> DirectoryReport:
        """Inspect everything and put the report together."""
        if owner is not None:
            reason = f"in use by process {owner}: what is being written now may look torn"
            self._findings.add("note", self._paths.root, 0, reason)
        index = self._read_index()
        log = self._log.inspect(self._findings)
        values = self._values.inspect(self._findings)
        if log.ending != "corruption":
            self._check_log_pointers(verify)
        self._judge_torn_values()
        if verify:
            index = self._verify_index(index)
        case = self._classify(log) if index is not None else None
        if case is not None and case.letter in ("E", "F"):
            self._findings.add("corruption", self._paths.wal, 0, case.meaning)
        return DirectoryReport(
            path=self._paths.root,
            in_use_by=owner,
            layout=layout,
            case=case.letter if case else None,
            meaning=case.meaning if case else "the index cannot be read",
            records_to_replay=self._records_to_replay(log, case),
            log=log,
            value_log=values,
            index=index,
            findings=self._findings.all(),
            findings_left_out=self._findings.left_out,
            verdict=self._findings.verdict,
        )

    def _read_index(self) -> IndexReport | None:
        """The state of the index; None if it is there but cannot be read."""
        if self._index is None:
            is_new = not inspect_index.exists(self._paths.index)
            return _NEW_INDEX if is_new else None
        try:
            self._state = inspect_index.read_state(self._index)
            return inspect_index.report(self._index, self._state.applied_lsn)
        except CorruptionError as damage:
            self._damaged(damage)
            return None

    def _classify(self, log: LogReport) -> Case:
        ending = _ENDING_WORDS[log.ending]
        return classify(
            RecoveryFacts(
                ending=ending,
                first_lsn=log.first_lsn,
                last_lsn=log.last_lsn,
                applied_lsn=self._state.applied_lsn,
                reached_lsn=self._state.reached_lsn,
                first_segment=self._log.first_segment,
            )
        )

    def _records_to_replay(self, log: LogReport, case: Case | None) -> int:
        if case is None or case.refuses:
            return 0
        return max(0, log.last_lsn - max(self._state.applied_lsn, log.first_lsn - 1))

    def _check_log_pointers(self, read_values: bool) -> None:
        """Whether the values are there that the log's records rely on.

        A value is synced before its record is written, so every intact record has its values.
        What the index holds already may have been overwritten and reclaimed since: the index's own
        pointers say what is needed of that.
        """
        reader = ValueLogReader(self._fs, self._paths.values)
        missing = MissingValues(self._values)
        try:
            for lsn, changes in self._log.changes(self._state.applied_lsn + 1):
                for key, pointer in missing.read(lsn, changes):
                    if read_values:
                        check_value(reader, key, pointer, self._findings)
        finally:
            reader.close()
        for entry in missing.judge():
            self._missing_value(entry)

    def _missing_value(self, entry: LogPointer) -> None:
        self._values.torn.pop(entry.pointer.segment, None)
        path, offset = self._values.path(entry.pointer.segment), entry.pointer.offset
        reason = f"the log record with LSN {entry.lsn} points to a value that is not there"
        self._findings.add("corruption", path, offset, reason)

    def _judge_torn_values(self) -> None:
        """A torn value log segment is damage if the index needs what was torn off."""
        if self._values.torn and self._index is not None:
            try:
                self._find_needed_values(inspect_index.pointers(self._index))
            except CorruptionError as damage:
                self._damaged(damage)
        for torn in self._values.torn.values():
            self._findings.add("torn tail", *torn)

    def _find_needed_values(self, pointers: Iterator[tuple[bytes, Pointer]]) -> None:
        for _, pointer in pointers:
            if pointer.segment in self._values.torn and not self._values.holds(pointer):
                torn = self._values.torn.pop(pointer.segment)
                reason = f"{torn.reason}; the index points to a value at offset {pointer.offset}"
                self._findings.add("corruption", torn.path, torn.offset, reason)
                if not self._values.torn:
                    return

    def _verify_index(self, report: IndexReport | None) -> IndexReport | None:
        """Read every byte of the index and follow every pointer in it, as far as that is possible.

        Where it cannot be opened, its tables may tell why.
        """
        path = self._paths.index
        if self._index is None:
            tables = [f"{path}/{name}" for name in self._fs.list_directory(path)]
            tables = [table for table in tables if table.endswith(TABLE_SUFFIX)]
            verify_tables(self._fs, tables, self._findings, self._progress)
            return report
        verifier = IndexVerifier(path, self._index, self._findings, self._progress)
        reader = ValueLogReader(self._fs, self._paths.values)
        try:
            verifier.run(self._fs, reader)
        finally:
            reader.close()
        return report and msgspec.structs.replace(
            report,
            tables_verified=verifier.tables,
            entries_verified=verifier.entries,
            pointers_verified=verifier.pointers,
        )

    def _damaged(self, damage: CorruptionError) -> None:
        self._findings.add("corruption", damage.path, damage.offset, damage.reason)
