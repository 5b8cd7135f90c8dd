"""The crash sweep finds bugs: each is planted in turn, and must be found within a few seeds.

Each stands for a mistake that a storage engine has made. A sweep that passes them all proves
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import pytest

from kiwi_engine.checksum import crc32c
from kiwi_engine.fs import segment_file
from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, Ending
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog.writer import ValueLogWriter
from kiwi_engine.wal import reader as reader_module
from kiwi_engine.wal import writer as writer_module
from kiwi_engine.wal.format import (
    RECORD_HEADER_BYTES,
    TERMINATOR,
    WAL,
    Record,
    checksum_seed,
    decode_record_header,
)
from kiwi_engine.wal.pool import SegmentPool
from kiwi_engine.wal.reader import LogPosition
from kiwi_engine.wal.segment import SegmentReader
from kiwi_engine.wal.writer import LogWriter
from tests.sweeps import logs as logs_module
from tests.sweeps.log_sweep import LogSweep
from tests.sweeps.logs import Shape
from tests.sweeps.planted import Patch, require_found

ALWAYS: Final = Shape(
    segment_bytes=256,
    value_segment_bytes=400,
    sync_share=1.0,
    equal_sizes=False,
)
EVERYSEC: Final = msgspec.structs.replace(ALWAYS, sync_share=0.3)


def _pretend_sync(writer: LogWriter) -> None:
    writer._synced_offset = writer._offset
    writer._synced_lsn = writer._next_lsn - 1


def _rotate_unsynced(
    writer: LogWriter, rotate: Callable[[LogWriter], None] = LogWriter._rotate
) -> None:
    writer.sync = lambda: _pretend_sync(writer)  # type: ignore[method-assign]
    try:
        rotate(writer)
    finally:
        del writer.sync


def _no_sync_directory(
    fs: CrashFs, path: str, sync: Callable[[CrashFs, str], None] = CrashFs.sync_directory
) -> None:
    if path in ("/", "/data"):
        sync(fs, path)


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


def _sync_no_values(_: ValueLogWriter) -> None:
    pass


def _any_intact_record(segment: SegmentReader, offset: int, expected_lsn: int) -> Record | str:
    data = segment._ahead.read(RECORD_HEADER_BYTES, offset)
    if len(data) < RECORD_HEADER_BYTES:
        return ""
    header = decode_record_header(data)
    payload = segment._ahead.read(header.length, offset + RECORD_HEADER_BYTES)
    if header.checksum != crc32c(payload, checksum_seed(data)):
        return ""
    return Record(expected_lsn or header.lsn, payload, segment.path, offset, header.synced)


def _any_checksum(segment: SegmentReader, offset: int, expected_lsn: int) -> Record | str:
    data = segment._ahead.read(RECORD_HEADER_BYTES, offset)
    if len(data) < RECORD_HEADER_BYTES or data == TERMINATOR:
        return ""
    header = decode_record_header(data)
    if header.segment != segment.number or (expected_lsn and header.lsn != expected_lsn):
        return "not a record of this place"
    payload = segment._ahead.read(header.length, offset + RECORD_HEADER_BYTES)
    return Record(header.lsn, payload, segment.path, offset, header.synced)


def _leave_the_tail(fs: FileSystem, path: str, offset: int) -> int:
    return 0


EQUAL: Final = msgspec.structs.replace(ALWAYS, equal_sizes=True)
EQUAL_EVERYSEC: Final = msgspec.structs.replace(EVERYSEC, equal_sizes=True)
PLANTED: Final[dict[str, tuple[Shape, *tuple[Patch, ...]]]] = {
    "acknowledged before the sync": (ALWAYS, (LogWriter, "sync", _pretend_sync)),
    "rotated without a sync": (EVERYSEC, (LogWriter, "_rotate", _rotate_unsynced)),
    "names never synced": (ALWAYS, (CrashFs, "sync_directory", _no_sync_directory)),
    "removals not in order": (ALWAYS, (SegmentPool, "_give_up", _give_up_in_any_order)),
    "named before durable": (ALWAYS, (segment_file, "_fill_new", _fill_unsynced)),
    "values not synced": (ALWAYS, (ValueLogWriter, "sync", _sync_no_values)),
    # Both logs are synced, but a record may be on the device in front of what it points to.
    "values after the log": (msgspec.structs.replace(ALWAYS, values_first=False),),
    "recovered records not synced": (EVERYSEC, (LogWriter, "_resume", _resume_unsynced)),
    "stale records taken for new ones": (
        EQUAL,
        (SegmentReader, "_record_at", _any_intact_record),
        # What else keeps stale records out of sight has to go, too.
        (writer_module, "TERMINATOR", b""),
    ),
    "a torn tail not cleared": (EQUAL_EVERYSEC, (logs_module, "repair_tail", _leave_the_tail)),
    "records without a checksum": (ALWAYS, (SegmentReader, "_record_at", _any_checksum)),
    "unsynced records called corrupt": (
        EVERYSEC,
        (reader_module, "judge_end", _any_later_record_is_corruption),
    ),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, *patches = PLANTED[name]
    for patch in patches:
        monkeypatch.setattr(*patch)
    require_found(lambda seed: LogSweep(seed, every=1, shape=shape), lives=3, steps=15)
