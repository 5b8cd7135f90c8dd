"""Durable records of a log that is being written to, and who holds them back."""

from __future__ import annotations

import pytest

from kiwi_engine.engine.log_tail import LogTail, SegmentPart
from kiwi_engine.engine.retention import UNLIMITED, Retention
from kiwi_engine.errors import CorruptionError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.wal.reader import LogReader
from kiwi_engine.wal.writer import LogWriter
from tests.wal.disk import open_log


def log_of(fs: CrashFs, records: int) -> LogWriter:
    """Two records of ten bytes fit into a segment; the last one is not synced."""
    log = open_log(fs, segment_bytes=100)
    for number in range(1, records + 1):
        if number == records:
            log.sync()
        log.append(b"record %03d" % number)
    return log


def lsns(tail: LogTail) -> list[int]:
    return [record.lsn for record in tail.records()]


@pytest.mark.parametrize("records", range(1, 8))
def test_what_is_durable_from_any_record_on(records: int) -> None:
    fs = CrashFs()
    log = log_of(fs, records)
    for first in range(1, records + 1):
        tail = LogTail(fs, "", log, first)
        assert tail.last_lsn == records - 1
        assert lsns(tail) == list(range(first, records))


@pytest.mark.parametrize("records", range(1, 8))
def test_parts_of_segments_are_a_log_that_ends_there(records: int) -> None:
    fs = CrashFs()
    log = log_of(fs, records)
    for first in range(1, records + 1):
        copy, tail = CrashFs(), LogTail(fs, "", log, first)
        for part in tail.segments():
            copy.overwrite(part.path, fs.files()[part.path][: part.end])
        reader = LogReader(copy, "")
        found = [record.lsn for record in reader.records()]
        assert found[-1:] == list(range(1, records))[-1:]
        assert set(range(first, records)) <= set(found)
        assert reader.position is not None
        assert reader.position.next_lsn == records


def test_a_released_end_leaves_an_empty_log() -> None:
    fs = CrashFs()
    log = log_of(fs, 5)
    log.sync()
    log.append(b"record 006")
    assert log.release(5) == 2
    assert LogTail(fs, "", log, 6).segments()[-1].end > 20
    other = CrashFs()
    log = log_of(other, 3)
    assert log.release(2) == 1
    assert LogTail(other, "", log, 3).segments() == [SegmentPart("/0000000002.wal", 20, b"")]


def test_a_missing_record_is_corruption() -> None:
    fs = CrashFs()
    log = log_of(fs, 6)
    content = fs.files()["/0000000002.wal"]
    fs.overwrite("/0000000002.wal", content[:30] + b"\xff" + content[31:])
    with pytest.raises(CorruptionError, match="record 3 is missing, although 5 is durable"):
        lsns(LogTail(fs, "", log, 1))
    content = fs.files()["/0000000003.wal"]
    fs.overwrite("/0000000003.wal", content[:30] + b"\xff" + content[31:])
    with pytest.raises(CorruptionError, match="record 5 is missing, although it is durable"):
        LogTail(fs, "", log, 1).segments()


def test_the_lowest_of_all_holders_counts() -> None:
    retention = Retention()
    assert retention.floor() == UNLIMITED
    retention.hold("a", 7)
    retention.hold("b", 3)
    assert retention.floor() == 3
    retention.hold("b", 9)
    assert retention.floor() == 7
    retention.let_go("a")
    retention.let_go("a")
    assert retention.floor() == 9
