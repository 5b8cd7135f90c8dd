"""The crash sweep finds bugs: each is planted in turn, and must be found within a few seeds.

Each stands for a mistake that a storage engine has made. A sweep that passes them all proves
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs import segment_file
from kiwi_engine.fs.protocol import File
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, Ending
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog.writer import ValueLogWriter
from kiwi_engine.wal import reader as reader_module
from kiwi_engine.wal.format import WAL, Record
from kiwi_engine.wal.pool import SegmentPool
from kiwi_engine.wal.reader import LogPosition, LogReader
from kiwi_engine.wal.segment import SegmentReader
from kiwi_engine.wal.writer import LogWriter
from tests.sweeps import logs
from tests.sweeps.sweep import Sweep

SEEDS: Final = range(1, 25)


def _pretend_sync(writer: LogWriter) -> None:
    writer._synced_offset = writer._offset
    writer._synced_lsn = writer._next_lsn - 1


def _rotate_unsynced(writer: LogWriter, rotate: Callable[[LogWriter], None] = LogWriter._rotate) -> None:
    writer.sync = lambda: _pretend_sync(writer)  # type: ignore[method-assign]
    try:
        rotate(writer)
    finally:
        del writer.sync


def _no_sync_directory(fs: CrashFs, path: str) -> None:
    fs.must("sync-directory", path)


def _give_up_in_any_order(pool: SegmentPool, number: int, keep: bool) -> None:
    pool._fs.remove(WAL.path(pool._directory, number))


def _fill_unsynced(file: File, header: bytes, segment_bytes: int, zero_slice_bytes: int) -> None:
    file.allocate(segment_bytes)
    file.pwritev((header,), 0)
    file.close()


def _resume_unsynced(writer: LogWriter, position: LogPosition) -> None:
    writer._offset = writer._synced_offset = position.offset


def _any_later_record_is_corruption(segment: SegmentReader, next_lsn: int) -> Ending:
    if next(segment.records_behind(segment.end, max(next_lsn, 1)), None):
        return Corruption(segment.path, segment.end, "a later record is intact")
    return CleanEnd(segment.path, segment.end)


def _nothing(*_: object, **__: object) -> int:
    return 0


def _no_records(_: LogReader) -> Iterator[Record]:
    return iter(())


PLANTED: Final[dict[str, tuple[Any, str, Any]]] = {
    "acknowledged before the sync": (LogWriter, "sync", _pretend_sync),
    "rotated without a sync": (LogWriter, "_rotate", _rotate_unsynced),
    "names never synced": (CrashFs, "sync_directory", _no_sync_directory),
    "removals not in order": (SegmentPool, "_give_up", _give_up_in_any_order),
    "named before durable": (segment_file, "_fill_new", _fill_unsynced),
    "values not synced": (ValueLogWriter, "sync", _nothing),
    "records without values replayed": (LogReader, "unconfirmed", _no_records),
    "recovered records not synced": (LogWriter, "_resume", _resume_unsynced),
    "torn tail left in place": (logs, "repair_tail", _nothing),
    "unsynced records called corrupt": (
        reader_module,
        "judge_end",
        _any_later_record_is_corruption,
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[name])
    for seed in SEEDS:
        try:
            Sweep(seed, every=2).run(lives=3, steps=25)
        except (logs.LostError, CorruptionError):
            return
    pytest.fail(f"{len(SEEDS)} seeds did not find it")
