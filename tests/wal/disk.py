"""Logs in the root directory of a crashable disk."""

from __future__ import annotations

from kiwi_engine.fs.segment_format import TornTail
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.wal.reader import LogReader
from kiwi_engine.wal.repair import repair_tail
from kiwi_engine.wal.settings import LogSettings
from kiwi_engine.wal.writer import LogWriter


def open_log(
    fs: CrashFs, segment_bytes: int = 128, recycled_max: int = 2, next_lsn: int = 1
) -> LogWriter:
    """Read the log, repair its tail, and open it for writing."""
    reader = LogReader(fs, "")
    for _ in reader.records():
        pass
    if isinstance(reader.ending, TornTail):
        repair_tail(fs, reader.ending.path, reader.ending.offset)
    assert reader.position is not None
    settings = LogSettings(segment_bytes=segment_bytes, recycled_max=recycled_max)
    return LogWriter.open(fs, "", settings, reader.position.raised_to(next_lsn))


def read_log(fs: CrashFs, from_lsn: int = 0) -> tuple[dict[int, bytes], LogReader]:
    """Payloads by LSN, and the reader."""
    reader = LogReader(fs, "")
    return {record.lsn: record.payload for record in reader.records(from_lsn)}, reader
