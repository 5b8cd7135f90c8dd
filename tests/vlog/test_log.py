"""Writing values, reading them by pointer, verifying segments."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random
from typing import Any

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
from kiwi_engine.fs.read_ahead import CHUNK_BYTES
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, TornTail
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FAULTS, FailAt, Recorder
from kiwi_engine.vlog.format import VLOG, Pointer, encode_entry_header
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.segment import ValueSegmentReader, verify_segment
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter, full_bytes

Written = dict[bytes, tuple[bytes, Pointer]]


def _open(fs: CrashFs, **settings: Any) -> ValueLogWriter:
    return ValueLogWriter.open(fs, "", ValueLogSettings(**{"allocate_bytes": 100, **settings}))


def _write(log: ValueLogWriter, sizes: list[int], lsn: int = 1) -> Written:
    entries = [(b"key%d" % n, Random(n).randbytes(size)) for n, size in enumerate(sizes)]
    return {
        key: (value, pointer)
        for (key, value), pointer in zip(entries, log.append(entries, lsn), strict=True)
    }


@given(
    st.lists(
        st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.binary(max_size=300))), max_size=6
    ),
    st.sampled_from([100, 500, 100_000]),
)
def test_what_is_written_is_read_back(
    groups: list[list[tuple[bytes, bytes]]], segment_bytes: int
) -> None:
    fs = CrashFs()
    log = _open(fs, segment_bytes=segment_bytes)
    reader = ValueLogReader(fs, "", files_max=2)
    written = []
    for lsn, entries in enumerate(groups, 1):
        if entries:
            written += list(zip(entries, log.append(entries, lsn), strict=True))
        assert log.dirty == bool(entries)
        log.sync()
        assert not log.dirty
    for (key, value), pointer in written:
        assert reader.read(key, pointer) == value
    log.close()
    reader.close()
    later = ValueLogReader(fs.crash(1, 0.0), "")
    assert all(later.read(key, pointer) == value for (key, value), pointer in written)
    checks = [verify_segment(fs, path) for path in fs.files()]
    assert all(isinstance(check.ending, CleanEnd) and check.sealed for check in checks)
    assert sum(check.entries for check in checks) == len(written)


def test_no_segment_is_made_before_the_first_value() -> None:
    fs = CrashFs()
    log = _open(fs)
    log.sync()
    assert log.active_segment == 0
    log.close()
    assert fs.files() == {}


def test_the_order_of_append_sync_and_rotation() -> None:
    fs = CrashFs()
    log = _open(fs, segment_bytes=200)
    fs.watch = recorder = Recorder()
    _write(log, [10, 10])
    log.sync()
    log.sync()
    _write(log, [40])
    _write(log, [10])
    log.close()
    assert recorder.lines() == [
        "create 0000000001.vlog.preparing",
        "allocate 0000000001.vlog.preparing 100",
        "write 0000000001.vlog.preparing 20",
        "sync 0000000001.vlog.preparing",
        "rename 0000000001.vlog",
        "sync-directory /",
        "allocate 0000000001.vlog 200",
        "write 0000000001.vlog 108",
        "sync 0000000001.vlog",
        "write 0000000001.vlog 40",
        "truncate 0000000001.vlog 168",
        "sync 0000000001.vlog",
        "create 0000000002.vlog.preparing",
        "allocate 0000000002.vlog.preparing 100",
        "write 0000000002.vlog.preparing 20",
        "sync 0000000002.vlog.preparing",
        "rename 0000000002.vlog",
        "sync-directory /",
        "allocate 0000000002.vlog 200",
        "write 0000000002.vlog 84",
        "write 0000000002.vlog 54",
        "sync 0000000002.vlog",
        "write 0000000002.vlog 40",
        "truncate 0000000002.vlog 198",
        "sync 0000000002.vlog",
    ]


def test_each_process_writes_segments_of_its_own() -> None:
    fs = CrashFs()
    log = _open(fs)
    written = _write(log, [50])
    log.sync()
    fs = fs.crash(1, 0.0)
    log = _open(fs)
    again = _write(log, [60])
    assert {pointer.segment for _, pointer in [*written.values(), *again.values()]} == {1, 2}
    assert log.segments() == {1: fs.size("/0000000001.vlog")}
    facts = log.facts()
    assert (facts.segments, facts.active_segment, facts.values) == (2, 2, 1)
    assert facts.disk_bytes == sum(map(len, fs.files().values()))
    log.forget(1)
    assert log.facts().segments == 1


def test_segments_without_entries_are_removed_at_open() -> None:
    fs = CrashFs()
    log = _open(fs)
    _write(log, [50])
    remains = fs.crash(1, 0.0, torn=False)
    assert len(remains.files()) == 1
    log = _open(remains)
    assert remains.crash(1, 0.0).files() == {}
    assert log.segments() == {}


def test_numbers_of_removed_segments_can_be_kept_from_use() -> None:
    fs = CrashFs()
    log = ValueLogWriter.open(fs, "", ValueLogSettings(), number_min=7)
    (pointer,) = log.append([(b"k", b"v")], 1)
    assert pointer.segment == 7


def test_a_group_larger_than_a_segment_gets_a_larger_one() -> None:
    fs = CrashFs()
    log = _open(fs, segment_bytes=100)
    first = _write(log, [10])
    second = _write(log, [500, 600])
    reader = ValueLogReader(fs, "")
    for key, (value, pointer) in second.items():
        assert reader.read(key, pointer) == value
        assert pointer.segment == 2
    assert first[b"key0"][1].segment == 1


def test_facts_count_what_compression_saved() -> None:
    log = _open(CrashFs())
    log.append([(b"a", b"x" * 10_000), (b"b", Random(1).randbytes(1000))], 1)
    facts = log.facts()
    assert (facts.values, facts.compressed, facts.raw_bytes) == (2, 1, 11_000)
    assert 1080 < facts.stored_bytes < 1300


# -- reading what is not there


@pytest.mark.parametrize(
    ("key", "change", "reason"),
    [
        (b"key9", {}, "an entry of another key"),
        (b"key0", {"offset": 21}, "entry checksum mismatch"),
        (b"key0", {"entry_bytes": 20}, "the file ends inside the entry"),
        (b"key0", {"entry_bytes": 5000}, "the file ends inside the entry"),
        (b"key0", {"entry_bytes": 95}, "entry checksum mismatch"),
        (b"key0", {"raw_bytes": 51}, "an entry of another length"),
        (b"key0", {"offset": 1 << 40}, "the file ends inside the entry"),
        (b"key0", {"segment": 2}, "the segment is missing"),
    ],
)
def test_a_wrong_pointer_is_corruption_never_not_found(
    key: bytes, change: dict[str, int], reason: str
) -> None:
    fs = CrashFs()
    pointer = _write(_open(fs), [50])[b"key0"][1]._replace(**change)
    with pytest.raises(CorruptionError) as damage:
        ValueLogReader(fs, "").read(key, pointer)
    assert damage.value.reason == reason
    assert damage.value.path == VLOG.path("", pointer.segment)
    assert damage.value.offset == pointer.offset


def test_an_entry_in_another_segments_file_is_corruption() -> None:
    fs = CrashFs()
    pointer = _write(_open(fs), [50])[b"key0"][1]
    fs.overwrite("/0000000002.vlog", fs.files()["/0000000001.vlog"])
    with pytest.raises(CorruptionError, match="an entry of segment 1"):
        ValueLogReader(fs, "").read(b"key0", pointer._replace(segment=2))


def test_a_seal_is_no_value() -> None:
    fs = CrashFs()
    log = _open(fs)
    pointer = _write(log, [50])[b"key0"][1]
    log.close()
    seal = Pointer(1, pointer.offset + pointer.entry_bytes, 40, 0)
    with pytest.raises(CorruptionError, match="entry flags 0x2"):
        ValueLogReader(fs, "").read(b"", seal)


@pytest.mark.parametrize("size", [10, CHUNK_BYTES + 10])
def test_values_are_checked_without_being_returned(size: int) -> None:
    """Those larger than a window a window at a time, with the same verdicts."""
    fs = CrashFs()
    log = _open(fs, compression=False, segment_bytes=1 << 24)
    ((key, (_, pointer)),) = _write(log, [size]).items()
    log.sync()
    ValueLogReader(fs, "").check(key, pointer)
    whole = fs.files()["/0000000001.vlog"]
    for offset in (0, 9, 20, 40, 44, pointer.entry_bytes - 1):
        _damage(fs, pointer.offset + offset)
        with pytest.raises(CorruptionError, match="checksum mismatch") as caught:
            ValueLogReader(fs, "").check(key, pointer)
        assert caught.value.offset == pointer.offset
        fs.overwrite("/0000000001.vlog", whole)
    reader = ValueLogReader(fs, "")
    reader.check(key, pointer)
    for wrong, reason in (
        (pointer._replace(segment=2), "missing"),
        (pointer._replace(raw_bytes=1), "another length"),
        (pointer._replace(offset=len(whole) - 10), "file ends inside"),
    ):
        with pytest.raises(CorruptionError, match=reason):
            reader.check(key, wrong)
    with pytest.raises(CorruptionError, match="another key"):
        reader.check(b"kez0", pointer)
    with pytest.raises(CorruptionError, match="another key"):
        reader.check(b"key", pointer)


def test_a_removed_segment_is_forgotten() -> None:
    fs = CrashFs()
    written = _write(_open(fs), [50])
    value, pointer = written[b"key0"]
    reader = ValueLogReader(fs, "")
    assert reader.read(b"key0", pointer) == value
    fs.remove("/0000000001.vlog")
    assert reader.read(b"key0", pointer) == value
    reader.forget(1)
    reader.forget(1)
    with pytest.raises(CorruptionError, match="the segment is missing"):
        reader.read(b"key0", pointer)


def test_many_threads_and_few_open_files(tmp_path: Path) -> None:
    fs = PosixFileSystem()
    log = ValueLogWriter.open(fs, str(tmp_path), ValueLogSettings(segment_bytes=300))
    written = [
        (b"k%d" % n, b"%d" % n * 40, log.append([(b"k%d" % n, b"%d" % n * 40)], n)[0])
        for n in range(100)
    ]
    reader = ValueLogReader(fs, str(tmp_path), files_max=2)
    failures: list[BaseException] = []

    def read(seed: int) -> None:
        random = Random(seed)
        try:
            for _ in range(400):
                key, value, pointer = random.choice(written)
                assert reader.read(key, pointer) == value
        except BaseException as failure:  # noqa: BLE001 - reported by the test itself
            failures.append(failure)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(reader._files) == 2
    reader.close()
    assert not reader._files
    log.close()


# -- verifying


def test_entries_are_listed_in_order() -> None:
    fs = CrashFs()
    log = _open(fs)
    written = _write(log, [10, 2000, 0], lsn=7)
    segment = ValueSegmentReader(fs, "/0000000001.vlog")
    entries = list(segment.entries())
    assert [(entry.key, entry.pointer) for entry in entries] == [
        (key, pointer) for key, (_, pointer) in written.items()
    ]
    assert {entry.lsn for entry in entries} == {7}
    assert segment.ending == CleanEnd("/0000000001.vlog", entries[-1].end)
    assert not segment.sealed


def _damage(fs: CrashFs, at: int) -> None:
    content = bytearray(fs.files()["/0000000001.vlog"])
    content[at] ^= 1
    fs.overwrite("/0000000001.vlog", bytes(content))


def test_damage_behind_which_nothing_was_synced_is_a_torn_tail() -> None:
    fs = CrashFs()
    log = _open(fs)
    written = _write(log, [50, 50, 50])
    log.sync()
    _damage(fs, written[b"key1"][1].offset + 70)
    summary = verify_segment(fs, "/0000000001.vlog")
    assert summary.entries == 1
    assert summary.ending == TornTail(
        "/0000000001.vlog", written[b"key1"][1].offset, "entry checksum mismatch"
    )


@pytest.mark.parametrize("sealed", [True, False])
def test_damage_in_front_of_what_was_synced_later_is_corruption(sealed: bool) -> None:
    fs = CrashFs()
    log = _open(fs)
    written = _write(log, [50, 50])
    log.sync()
    if sealed:
        log.close()
    else:
        _write(log, [10])
    _damage(fs, written[b"key1"][1].offset + 70)
    ending = verify_segment(fs, "/0000000001.vlog").ending
    assert isinstance(ending, Corruption)
    assert ending.offset == written[b"key1"][1].offset
    assert ending.reason.startswith("entry checksum mismatch; the entry at offset 208 shows")


def test_a_damaged_header_is_corruption_and_another_version_is_refused() -> None:
    fs = CrashFs()
    _write(_open(fs), [50])
    _damage(fs, 3)
    ending = verify_segment(fs, "/0000000001.vlog").ending
    assert ending == Corruption("/0000000001.vlog", 0, "segment header checksum mismatch")
    fs.overwrite("/0000000001.vlog", VLOG._replace(version=2).encode_header(1))
    with pytest.raises(LayoutError, match="value log format version 2"):
        verify_segment(fs, "/0000000001.vlog")


def _raw_entry(flags: int = 0, stored: bytes = b"value", raw_bytes: int = 5) -> bytes:
    header = encode_entry_header(1, b"key", stored, raw_bytes, flags, 1, 20)
    return VLOG.encode_header(1) + header + b"key" + stored


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (_raw_entry(), CleanEnd),
        (_raw_entry() + bytes(100), CleanEnd),
        (_raw_entry() + b"\x07\x08", TornTail),
        (_raw_entry()[:-1], TornTail),
        (_raw_entry()[:50], TornTail),
        (_raw_entry().replace(b"value", b"valve"), TornTail),
        (VLOG.encode_header(1) + b"\x02" * 60, TornTail),
        (_raw_entry(flags=4), Corruption),
    ],
)
def test_endings_of_an_unsealed_segment(content: bytes, ending: type) -> None:
    fs = CrashFs()
    fs.overwrite("/0000000001.vlog", content)
    assert type(verify_segment(fs, "/0000000001.vlog").ending) is ending


@pytest.mark.parametrize(
    ("flags", "stored", "raw_bytes", "reason"),
    [
        (0, b"value", 6, "an entry of inconsistent lengths"),
        (1, b"value", 5, "decompress"),
        (4, b"value", 5, "entry flags 0x4"),
    ],
)
def test_an_intact_entry_that_makes_no_sense_is_corruption(
    flags: int, stored: bytes, raw_bytes: int, reason: str
) -> None:
    fs = CrashFs()
    fs.overwrite("/0000000001.vlog", _raw_entry(flags, stored, raw_bytes))
    with pytest.raises(CorruptionError, match=reason):
        ValueLogReader(fs, "").read(b"key", Pointer(1, 20, 48, raw_bytes))


def test_unsynced_entries_behind_a_gap_are_a_torn_tail() -> None:
    fs = CrashFs()
    log = _open(fs)
    written = _write(log, [50, 50])
    offset = written[b"key0"][1].offset
    content = bytearray(fs.files()["/0000000001.vlog"])
    content[offset : written[b"key1"][1].offset] = bytes(written[b"key0"][1].entry_bytes)
    fs.overwrite("/0000000001.vlog", bytes(content))
    ending = verify_segment(fs, "/0000000001.vlog").ending
    assert ending == TornTail("/0000000001.vlog", offset, "unsynced entries behind a gap")


# -- failures


@pytest.mark.parametrize("kind", ["write", "sync", "rename", "sync-directory"])
def test_a_failure_poisons_the_log(kind: str) -> None:
    fs = CrashFs()
    log = _open(fs)
    fs.watch = FailAt(1, FAULTS["eio"], kinds=frozenset({kind}))
    with pytest.raises(OSError, match="Input/output error"):
        _write(log, [10])
    fs.watch = None
    for call in (lambda: _write(log, [10]), log.sync):
        with pytest.raises(EnginePoisonedError, match=r"the value log failed: .*Input/output"):
            call()
    log.close()


def test_a_failed_seal_poisons_the_log() -> None:
    fs = CrashFs()
    log = _open(fs)
    _write(log, [10])
    log.sync()
    fs.watch = FailAt(1, FAULTS["eio"], kinds=frozenset({"truncate"}))
    with pytest.raises(OSError, match="Input/output error"):
        log.close()
    assert "sealing" in log.facts().failure
    log.close()


def test_a_full_disk_is_refused_before_anything_is_written_and_passes() -> None:
    fs = CrashFs(capacity_bytes=500)
    log = _open(fs)
    written = _write(log, [100])
    with pytest.raises(DiskFullError):
        _write(log, [600])
    assert log.facts().failure == ""
    written |= {key + b"b": row for key, row in _write(log, [50]).items()}
    log.sync()
    survivor = fs.crash(1, 0.0)
    assert verify_segment(survivor, "/0000000001.vlog").entries == 2


def test_a_torn_write_on_a_full_disk_is_written_over() -> None:
    fs = CrashFs()
    log = _open(fs, allocate_bytes=1000)
    _write(log, [10])
    fs.watch = FailAt(1, FAULTS["short-write"], kinds=frozenset({"write"}))
    with pytest.raises(DiskFullError):
        _write(log, [200])
    written = _write(log, [30])
    value, pointer = written[b"key0"]
    assert ValueLogReader(fs, "").read(b"key0", pointer) == value
    log.sync()


def test_settings_must_make_sense() -> None:
    refused: tuple[dict[str, Any], ...] = ({"segment_bytes": 20}, {"allocate_bytes": 0})
    for wrong in refused:
        with pytest.raises(AssertionError):
            ValueLogSettings(**wrong)


@pytest.mark.parametrize(
    ("segment_bytes", "log_bytes", "expected"),
    [
        (300, 0, 300),
        (1 << 28, 0, 8 << 20),
        (1 << 28, 24 * (16 << 20), 16 << 20),
        (1 << 28, 1 << 40, 1 << 28),
    ],
)
def test_segments_are_small_while_the_log_is(
    segment_bytes: int, log_bytes: int, expected: int
) -> None:
    assert full_bytes(segment_bytes, log_bytes) == expected
