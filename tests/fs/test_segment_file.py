"""Making segment files, and reading files in bounded memory."""

from __future__ import annotations

import pytest

from kiwi_engine.checksum import crc32c
from kiwi_engine.errors import DiskFullError
from kiwi_engine.fs.read_ahead import CHUNK_BYTES, ReadAhead, find_all, is_zero_from
from kiwi_engine.fs.segment_file import create_segment, remove_unfinished, zero_fill
from kiwi_engine.fs.segment_format import SegmentKind
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FAULTS, FailAt, Recorder

KIND = SegmentKind(b"TESTTEST", 1, ".test", "test")


def test_a_segment_is_durable_when_it_has_its_name() -> None:
    fs = CrashFs()
    create_segment(fs, "", KIND, 1, 64).close()
    assert fs.crash(1, 0.0).files() == {"/0000000001.test": KIND.encode_header(1) + bytes(44)}


def test_the_order_of_making_a_zero_filled_segment() -> None:
    fs = CrashFs()
    fs.watch = recorder = Recorder()
    create_segment(fs, "", KIND, 1, 100, zero_slice_bytes=50).close()
    assert recorder.lines() == [
        "create 0000000001.test.preparing",
        "allocate 0000000001.test.preparing 100",
        "write 0000000001.test.preparing 20",
        "write 0000000001.test.preparing 50",
        "sync 0000000001.test.preparing",
        "write 0000000001.test.preparing 30",
        "sync 0000000001.test.preparing",
        "sync 0000000001.test.preparing",
        "rename 0000000001.test",
        "sync-directory /",
    ]


@pytest.mark.parametrize("kind", ["allocate", "write", "create"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_full_disk_leaves_no_segment(kind: str, number: int) -> None:
    fs = CrashFs()
    plan = FailAt(number, FAULTS["enospc"], kinds=frozenset({kind}))
    fs.watch = plan
    if kind != "write" and number == 2:
        create_segment(fs, "", KIND, 1, 64, zero_slice_bytes=64).close()
    with pytest.raises(
        DiskFullError, match=r"no room for 64 bytes of /000000000[12].test.preparing"
    ):
        create_segment(fs, "", KIND, 2, 64, zero_slice_bytes=64)
    assert not [name for name in fs.list_directory("/") if name.endswith(".preparing")]
    create_segment(fs, "", KIND, 2, 64).close()


def test_what_a_crash_left_unfinished_is_made_anew_or_removed() -> None:
    fs = CrashFs()
    fs.create("/0000000001.test.preparing").close()
    create_segment(fs, "", KIND, 1, 64).close()
    fs.create("/0000000002.test.preparing").close()
    remove_unfinished(fs, "/")
    assert fs.list_directory("/") == ["0000000001.test"]


def test_zero_fill_of_nothing_does_nothing() -> None:
    fs = CrashFs()
    file = fs.create("/a")
    before = fs.operations
    zero_fill(file, 10, 10, 5)
    zero_fill(file, 10, 4, 5)
    assert fs.operations == before


def test_read_ahead_reads_like_the_file_in_any_order() -> None:
    fs = CrashFs()
    file = fs.create("/a")
    content = bytes(range(200))
    file.pwritev((content,), 0)
    ahead = ReadAhead(file, chunk_bytes=16)
    for length, offset in [(4, 0), (4, 12), (4, 14), (30, 3), (1, 2), (8, 196), (8, 500), (0, 9)]:
        assert ahead.read(length, offset) == content[offset : offset + length]
    assert ahead.checksum(100, 7, 5) == crc32c(content[7:107], 5)
    assert ahead.checksum(100, 150, 0) == crc32c(content[150:])


def test_find_all_finds_across_chunks() -> None:
    fs = CrashFs()
    file = fs.create("/a")
    file.pwritev((bytes(2 * CHUNK_BYTES + 100),), 0)
    places = [0, 5, 6, CHUNK_BYTES - 2, 2 * CHUNK_BYTES - 1, 2 * CHUNK_BYTES + 97]
    for place in places:
        file.pwritev((b"\x01",), place)
    assert list(find_all(file, b"\x01", 0)) == places
    assert list(find_all(file, b"\x01\x00\x00", 6)) == places[2:]
    assert list(find_all(file, b"\x02", 0)) == []


def test_is_zero_from() -> None:
    fs = CrashFs()
    file = fs.create("/a")
    file.pwritev((b"\x01" + bytes(CHUNK_BYTES + 10),), 0)
    assert is_zero_from(file, 1)
    assert is_zero_from(file, 10 * CHUNK_BYTES)
    assert not is_zero_from(file, 0)
    file.pwritev((b"\x01",), CHUNK_BYTES + 9)
    assert not is_zero_from(file, 1)
