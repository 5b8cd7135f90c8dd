"""Writing, rotating, releasing and reading the commit log."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.errors import (
    CorruptionError,
    DiskFullError,
    EnginePoisonedError,
    LayoutError,
)
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, TornTail
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FAULTS, FailAt, Recorder
from kiwi_engine.wal.format import SEGMENT_BYTES_MIN, WAL, encode_record_header
from kiwi_engine.wal.reader import EMPTY_LOG, LogReader, SegmentSpan
from kiwi_engine.wal.settings import LogSettings
from kiwi_engine.wal.writer import LogWriter
from tests.wal.disk import open_log, read_log

# A segment of 128 bytes holds three records of 10 bytes.
TEN = b"0123456789"


def _filled(fs: CrashFs, records: int, **settings: int) -> LogWriter:
    log = open_log(fs, **settings)
    for _ in range(records):
        log.append(TEN)
        log.sync()
    return log


def test_an_empty_directory_is_an_empty_log() -> None:
    payloads, reader = read_log(CrashFs())
    assert payloads == {}
    assert isinstance(reader.ending, CleanEnd)
    assert reader.position == EMPTY_LOG


@given(
    st.lists(st.lists(st.binary(max_size=300), max_size=12), max_size=5),
    st.integers(SEGMENT_BYTES_MIN, 400),
)
def test_what_is_written_is_read_back(lives: list[list[bytes]], segment_bytes: int) -> None:
    fs = CrashFs()
    written: list[bytes] = []
    for payloads in lives:
        log = open_log(fs, segment_bytes=segment_bytes)
        for payload in payloads:
            written.append(payload)
            assert log.append(payload) == len(written)
        log.sync()
        log.close()
        fs = fs.crash(1, 0.0)
        found, reader = read_log(fs)
        assert found == dict(enumerate(written, 1))
        assert isinstance(reader.ending, CleanEnd)


def test_segments_follow_each_other() -> None:
    fs = CrashFs()
    log = _filled(fs, 7)
    facts = log.facts()
    assert (facts.segments, facts.active_segment, facts.rotations) == (3, 3, 2)
    assert (facts.next_lsn, facts.synced_lsn, facts.oldest_lsn) == (8, 7, 1)
    assert facts.retained_bytes == 3 * 128
    position = read_log(fs)[1].position
    assert position is not None
    assert [(span.first_lsn, span.last_lsn) for span in position.full] == [(1, 3), (4, 6)]
    assert (position.first_lsn, position.last_lsn, position.segment) == (7, 7, 3)


def test_from_lsn_skips_older_records_and_reads_no_older_segments() -> None:
    fs = CrashFs()
    _filled(fs, 10)
    assert list(read_log(fs, from_lsn=5)[0]) == list(range(5, 11))
    content = bytearray(fs.files()["/0000000001.wal"])
    content[-50] ^= 1
    fs.overwrite("/0000000001.wal", bytes(content))
    assert isinstance(read_log(fs)[1].ending, Corruption)
    payloads, reader = read_log(fs, from_lsn=5)
    assert list(payloads) == list(range(5, 11))
    assert isinstance(reader.ending, CleanEnd)


def test_a_record_larger_than_a_segment_gets_a_larger_one() -> None:
    fs = CrashFs()
    log = open_log(fs, segment_bytes=64)
    for payload in (b"a" * 5000, b"b", b"c" * 300):
        log.append(payload)
    log.sync()
    assert log.release(3) == 2
    assert log.facts().recycled == 1, "only a segment of the usual size is worth keeping"
    payloads, _ = read_log(fs.crash(1, 0.0))
    assert payloads[3] == b"c" * 300


def test_a_released_segment_is_reused_and_its_records_are_not_read() -> None:
    fs = CrashFs()
    log = _filled(fs, 7)
    assert log.release(5) == 1
    assert log.release(5) == 0
    assert fs.list_directory("/") == ["0000000001.recycled", "0000000002.wal", "0000000003.wal"]
    needed_segment = log.needs_segment
    assert needed_segment
    log.prepare_segment()
    log.prepare_segment()
    assert not log.needs_segment
    assert fs.list_directory("/") == ["0000000002.wal", "0000000003.wal", "0000000004.wal"]
    assert TEN in fs.files()["/0000000004.wal"]
    for _ in range(3):
        log.append(TEN)
    assert log.facts().segments_reused == 1
    log.sync()
    payloads, reader = read_log(fs)
    assert list(payloads) == list(range(4, 11))
    assert isinstance(reader.ending, CleanEnd)


def test_release_keeps_so_many_and_removes_the_rest() -> None:
    fs = CrashFs()
    log = _filled(fs, 20, recycled_max=1)
    assert log.release(100) == 6
    assert fs.list_directory("/") == ["0000000001.recycled", "0000000007.wal"]
    assert log.facts().oldest_lsn == 19
    assert log.facts().segments == 1


def test_opening_removes_what_does_not_fit_any_more() -> None:
    fs = CrashFs()
    log = _filled(fs, 10, recycled_max=3)
    log.release(9)
    log.close()
    fs.create("/0000000099.wal.preparing").close()
    fs.create("/0000000077.recycled").close()
    open_log(fs, recycled_max=1).close()
    assert fs.list_directory("/") == ["0000000001.recycled", "0000000004.wal"]
    open_log(fs, segment_bytes=200).close()
    assert fs.list_directory("/") == ["0000000004.wal"]


def test_a_prepared_segment_is_found_again() -> None:
    fs = CrashFs()
    log = _filled(fs, 2)
    log.prepare_segment()
    log.close()
    log = open_log(fs.crash(1, 0.0))
    assert not log.needs_segment
    assert (log.facts().active_segment, log.next_lsn) == (1, 3)


def test_no_record_is_skipped_inside_a_log() -> None:
    fs = CrashFs()
    _filled(fs, 7).close()
    with pytest.raises(AssertionError, match="dense"):
        open_log(fs, next_lsn=100)


def test_an_emptied_log_goes_on_where_the_index_is() -> None:
    fs = CrashFs()
    open_log(fs).close()
    log = open_log(fs, next_lsn=50)
    assert log.facts().oldest_lsn == 0
    assert log.append(b"new") == 50
    assert read_log(fs)[0] == {50: b"new"}


def test_the_order_of_append_sync_and_rotation() -> None:
    fs = CrashFs()
    log = _filled(fs, 2)
    log.prepare_segment()
    fs.watch = recorder = Recorder()
    log.append(TEN)
    log.append(TEN)
    log.sync()
    log.sync()
    log.release(3)
    assert recorder.lines() == [
        "write 0000000001.wal 40",
        "sync 0000000001.wal",
        "write 0000000002.wal 58",
        "sync 0000000002.wal",
        "rename 0000000001.recycled",
        "sync-directory /",
    ]
    fs.watch = recorder = Recorder()
    log.prepare_segment()
    assert recorder.lines() == [
        "write 0000000001.recycled 44",
        "sync 0000000001.recycled",
        "rename 0000000003.wal",
        "sync-directory /",
    ]


# -- endings


def _torn_gap() -> tuple[CrashFs, int]:
    """Three unsynced records, the second of which a power failure lost; and its offset."""
    fs = CrashFs()
    log = _filled(fs, 1, segment_bytes=256)
    for _ in range(3):
        log.append(TEN)
    content = bytearray(fs.files()["/0000000001.wal"])
    second = 20 + 2 * 34
    content[second : second + 34] = bytes(34)
    fs.overwrite("/0000000001.wal", bytes(content))
    return fs, second


def test_unsynced_records_behind_a_gap_are_a_torn_tail() -> None:
    fs, gap = _torn_gap()
    payloads, reader = read_log(fs)
    assert list(payloads) == [1, 2]
    assert reader.ending == TornTail("/0000000001.wal", gap, "unsynced records behind a gap")


@pytest.mark.parametrize("repaired", [True, False])
def test_repair_keeps_records_behind_a_torn_tail_from_coming_back(repaired: bool) -> None:
    fs, gap = _torn_gap()
    if repaired:
        log = open_log(fs)
    else:
        position = read_log(fs)[1].position
        assert position is not None
        log = LogWriter.open(fs, "", LogSettings(segment_bytes=256), position)
    log.append(b"differently"[:10])
    # The terminator, which stands where the old record begins, is lost in a crash.
    content = bytearray(fs.files()["/0000000001.wal"])
    content[gap + 34 : gap + 58] = _torn_gap()[0].files()["/0000000001.wal"][gap + 34 : gap + 58]
    if not repaired:
        fs.overwrite("/0000000001.wal", bytes(content))
    assert (list(read_log(fs)[0]) == [1, 2, 3]) == repaired


def test_the_number_of_the_segment_at_the_end_of_its_file_is_no_record() -> None:
    fs = CrashFs()
    _filled(fs, 1, segment_bytes=256)
    content = bytearray(fs.files()["/0000000001.wal"])
    content[-4:] = (1).to_bytes(4, "little")
    fs.overwrite("/0000000001.wal", bytes(content))
    assert read_log(fs)[1].ending == CleanEnd("/0000000001.wal", 54)


def test_a_synced_record_in_front_of_an_intact_one_is_corruption() -> None:
    fs = CrashFs()
    _filled(fs, 3, segment_bytes=256)
    content = bytearray(fs.files()["/0000000001.wal"])
    content[20 + 34 + 30] ^= 1
    fs.overwrite("/0000000001.wal", bytes(content))
    payloads, reader = read_log(fs)
    assert list(payloads) == [1]
    assert reader.ending == Corruption(
        "/0000000001.wal",
        54,
        "record checksum mismatch; the record at offset 88 shows that it was synced",
    )
    assert reader.position is None


@pytest.mark.parametrize("stray", [1, 2, 3])
def test_stray_bytes_at_the_end_cost_nothing(stray: int) -> None:
    fs = CrashFs()
    _filled(fs, 2)
    content = fs.files()["/0000000001.wal"][: 20 + 68] + b"\x07" * stray
    fs.overwrite("/0000000001.wal", content)
    payloads, reader = read_log(fs)
    assert list(payloads) == [1, 2]
    reason = f"{stray} stray bytes, too few for a record"
    assert reader.ending == TornTail("/0000000001.wal", 88, reason)
    log = open_log(fs)
    log.append(b"three")
    log.sync()
    assert list(read_log(fs)[0]) == [1, 2, 3]


def test_a_record_that_holds_a_copy_of_a_record_is_one_record() -> None:
    """A client may store bytes of our own log; they must not pass for later records."""
    fs = CrashFs()
    log = open_log(fs, segment_bytes=512)
    log.append(TEN)
    log.sync()
    log.append(b"x" * 30 + fs.files()["/0000000001.wal"][:60])
    content = bytearray(fs.files()["/0000000001.wal"])
    content[54 + 24] ^= 1
    fs.overwrite("/0000000001.wal", bytes(content))
    assert isinstance(read_log(fs)[1].ending, TornTail)


def test_a_record_cut_off_by_the_end_of_the_file_is_a_torn_tail() -> None:
    fs = CrashFs()
    _filled(fs, 2)
    fs.overwrite("/0000000001.wal", fs.files()["/0000000001.wal"][:85])
    payloads, reader = read_log(fs)
    assert list(payloads) == [1]
    reason = "a record of 10 bytes reaches past the end of the file"
    assert reader.ending == TornTail("/0000000001.wal", 54, reason)


def test_a_repeated_or_skipped_lsn_is_no_record() -> None:
    fs = CrashFs()
    _filled(fs, 1)
    for lsn in (1, 3):
        header = encode_record_header(TEN, lsn, 1, 20)
        content = fs.files()["/0000000001.wal"][:54] + header + TEN
        fs.overwrite("/0000000001.wal", content)
        reason = f"LSN {lsn} stands where 2 was expected"
        assert read_log(fs)[1].ending == TornTail("/0000000001.wal", 54, reason)


def test_damage_in_an_older_segment_is_corruption_even_in_its_last_record() -> None:
    for at in (20 + 2 * 34 + 30, 20 + 30):
        fs = CrashFs()
        _filled(fs, 4)
        content = bytearray(fs.files()["/0000000001.wal"])
        content[at] ^= 1
        fs.overwrite("/0000000001.wal", bytes(content))
        reader = read_log(fs)[1]
        assert isinstance(reader.ending, Corruption)
        assert reader.ending.reason.startswith("record checksum mismatch; the next segment begins")


def test_a_log_of_another_format_version_is_refused() -> None:
    fs = CrashFs()
    fs.overwrite("/0000000001.wal", WAL._replace(version=2).encode_header(1))
    with pytest.raises(
        LayoutError, match="commit log format version 2; this build reads version 1"
    ):
        read_log(fs)


# -- failures


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_a_failure_poisons_the_log(kind: str) -> None:
    fs = CrashFs()
    log = _filled(fs, 1)
    fs.watch = FailAt(1, FAULTS["eio"], kinds=frozenset({kind}))
    with pytest.raises(OSError, match="Input/output error"):
        log.append(TEN)
        log.sync()
    fs.watch = None
    for call in (lambda: log.append(TEN), log.sync):
        with pytest.raises(EnginePoisonedError, match=r"ing the log failed: .*Input/output error"):
            call()
    assert "Input/output" in log.facts().failure


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("sync", "syncing the log failed"), ("create", "changing the log segment failed")],
)
def test_a_failed_rotation_poisons_the_log(kind: str, reason: str) -> None:
    fs = CrashFs()
    log = _filled(fs, 2)
    log.append(TEN)
    fs.watch = FailAt(1, FAULTS["eio"], kinds=frozenset({kind}))
    with pytest.raises(OSError, match="Input/output error"):
        log.append(TEN)
    fs.watch = None
    with pytest.raises(EnginePoisonedError, match=reason):
        log.append(TEN)
    assert list(read_log(fs)[0]) == [1, 2, 3]


def test_the_segments_of_a_range_of_records() -> None:
    fs = CrashFs()
    log = _filled(fs, 7)
    assert log.segments_from(1) == [1, 2, 3]
    assert log.segments_from(4) == [2, 3]
    assert log.segments_from(9) == [3]
    # Seen from another thread in the middle of a rotation: full, and active still.
    log._pool.retire(SegmentSpan(3, 7, 7, 128))
    assert log.segments_from(7) == [3]


def test_a_full_disk_is_refused_before_anything_is_written_and_passes() -> None:
    fs = CrashFs(capacity_bytes=2 * 150 + 100)
    log = _filled(fs, 6, segment_bytes=150)
    with pytest.raises(DiskFullError):
        log.append(TEN)
    with pytest.raises(DiskFullError):
        log.prepare_segment()
    assert log.facts().failure == ""
    assert log.append(b"") == 7, "what fits into the active segment still goes"
    log.release(3)
    assert [log.append(TEN) for _ in range(3)] == [8, 9, 10]
    log.sync()
    assert list(read_log(fs.crash(1, 0.0))[0]) == list(range(4, 11))


def test_a_log_that_only_the_cache_holds_is_refused_once() -> None:
    fs = CrashFs()
    log = _filled(fs, 1)
    log.append(TEN)
    fs.watch = FailAt(1, FAULTS["eio"], kinds=frozenset({"sync"}))
    with pytest.raises(OSError, match="Input/output error"):
        log.sync()
    fs = fs.restart()
    assert list(read_log(fs)[0]) == [1, 2]
    with pytest.raises(CorruptionError, match="open it again"):
        open_log(fs)
    assert open_log(fs).append(TEN) == 2


def test_settings_must_make_sense() -> None:
    for wrong in ({"segment_bytes": 43}, {"recycled_max": -1}, {"zero_slice_bytes": 0}):
        with pytest.raises(AssertionError):
            LogSettings(**wrong)


# -- threads


def test_background_work_beside_appends(tmp_path: Path) -> None:
    fs = PosixFileSystem()
    directory = str(tmp_path)
    log = LogWriter.open(fs, directory, LogSettings(segment_bytes=200), EMPTY_LOG)
    done = threading.Event()
    failures: list[BaseException] = []

    def background() -> None:
        try:
            while not done.is_set():
                if log.needs_segment:
                    log.prepare_segment()
                log.release(log.synced_lsn - 20)
                log.facts()
        except BaseException as failure:  # noqa: BLE001 - reported by the test itself
            failures.append(failure)

    thread = threading.Thread(target=background)
    thread.start()
    for lsn in range(1, 601):
        assert log.append(b"%d" % lsn) == lsn
        log.sync()
    done.set()
    thread.join()
    log.close()
    assert failures == []
    assert log.facts().segments_reused > 0
    reader = LogReader(fs, directory)
    records = {record.lsn: record.payload for record in reader.records()}
    assert isinstance(reader.ending, CleanEnd)
    assert min(records) <= 581
    assert records == {lsn: b"%d" % lsn for lsn in range(min(records), 601)}
