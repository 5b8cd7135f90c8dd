"""What the crashable file system keeps and loses."""

from __future__ import annotations

import errno

import pytest

from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import (
    FAULTS,
    FailAt,
    LosePowerAt,
    Operation,
    PowerLossError,
    Recorder,
)


def _disk() -> CrashFs:
    """`/a` holds 64 durable bytes."""
    fs = CrashFs(sector_bytes=16)
    file = fs.create("/a")
    file.pwritev((b"o" * 64,), 0)
    file.datasync()
    fs.sync_directory("/")
    return fs


def test_nothing_unsynced_survives_at_0_and_everything_at_1() -> None:
    fs = _disk()
    file = fs.open("/a", writable=True)
    file.pwritev((b"n" * 40,), 40)
    fs.create("/b")
    assert fs.crash(1, 0.0, torn=False).files() == {"/a": b"o" * 64}
    assert fs.crash(1, 1.0).files() == {"/a": b"o" * 40 + b"n" * 40, "/b": b""}
    assert fs.restart().files() == fs.files() == fs.crash(1, 1.0).files()


def test_a_share_survives_by_sector_and_only_where_it_was_written() -> None:
    fs = _disk()
    fs.open("/a", writable=True).pwritev((b"n" * 40,), 4)
    seen = set()
    for seed in range(200):
        content = fs.crash(seed, 0.5, torn=False).files()["/a"]
        assert content[:4] == b"oooo"
        assert content[44:] == b"o" * 20
        pieces = (content[4:16], content[16:32], content[32:44])
        assert all(len(set(piece)) == 1 for piece in pieces)
        seen.add(tuple(piece[:1] for piece in pieces))
    assert len(seen) == 8


def test_a_torn_sector_holds_garbage_only_where_it_was_written() -> None:
    fs = _disk()
    fs.open("/a", writable=True).pwritev((b"n" * 8,), 20)
    contents = {fs.crash(seed, 0.0).files()["/a"] for seed in range(50)}
    assert all(content[:20] + content[28:] == b"o" * 56 for content in contents)
    assert any(set(content) - set(b"on") for content in contents)


def test_of_several_writes_to_a_sector_the_first_survive() -> None:
    fs = _disk()
    file = fs.open("/a", writable=True)
    for letter in (b"1", b"2", b"3"):
        file.pwritev((letter * 16,), 16)
    contents = {fs.crash(seed, 0.2, torn=False).files()["/a"][16:32] for seed in range(100)}
    assert contents == {b"o" * 16, b"1" * 16, b"2" * 16, b"3" * 16}


def test_the_same_seed_gives_the_same_disk() -> None:
    fs = _disk()
    fs.open("/a", writable=True).pwritev((b"n" * 64,), 0)
    assert fs.crash(5, 0.3).files() == fs.crash(5, 0.3).files()


def test_sizes_need_a_sync_too() -> None:
    fs = _disk()
    file = fs.open("/a", writable=True)
    file.truncate(8)
    assert fs.crash(1, 0.0, torn=False).files() == {"/a": b"o" * 64}
    file.datasync()
    assert fs.crash(1, 0.0).files() == {"/a": b"o" * 8}
    file.allocate(32)
    assert {len(fs.crash(seed, 0.5).files()["/a"]) for seed in range(50)} == {8, 32}
    file.truncate(4)
    file.truncate(20)
    file.datasync()
    assert fs.crash(1, 0.0).files() == {"/a": b"oooo" + bytes(16)}


def test_names_need_a_directory_sync() -> None:
    fs = _disk()
    file = fs.create("/new")
    file.pwritev((b"x",), 0)
    file.datasync()
    fs.rename("/new", "/b")
    fs.remove("/a")
    assert set(fs.crash(1, 0.0).files()) == {"/a"}
    kept = {frozenset(fs.crash(seed, 0.5).files()) for seed in range(100)}
    assert kept == {
        frozenset(names) for names in (["/a"], ["/a", "/new"], ["/a", "/b"], ["/new"], ["/b"], [])
    }
    fs.sync_directory("/")
    assert fs.crash(1, 0.0).files() == {"/b": b"x"}


def test_a_directory_that_was_not_synced_takes_its_files_along() -> None:
    fs = CrashFs()
    fs.make_directory("/d")
    file = fs.create("/d/a")
    file.datasync()
    fs.sync_directory("/d")
    assert fs.crash(1, 0.0).list_directory("/") == []
    fs.sync_directory("/")
    assert fs.crash(1, 0.0).files() == {"/d/a": b""}


def test_a_failed_sync_gives_up_what_it_should_have_written() -> None:
    fs = _disk()
    file = fs.open("/a", writable=True)
    file.pwritev((b"lost",), 0)
    fs.watch = FailAt(1, FAULTS["eio"], kinds=frozenset({"sync"}))
    with pytest.raises(OSError, match="Input/output error"):
        file.datasync()
    file.pwritev((b"kept",), 8)
    file.datasync()
    assert file.pread(12, 0) == b"lostoooo" + b"kept"
    assert fs.crash(1, 0.0, torn=False).files()["/a"][:12] == b"oooooooo" + b"kept"
    reopened = fs.restart().open("/a", writable=False)
    assert reopened.pread(4, 0) == b"lost"
    reopened.drop_cache()
    assert reopened.pread(12, 0) == b"oooooooo" + b"kept"


def test_a_short_write_leaves_its_first_half() -> None:
    fs = _disk()
    file = fs.open("/a", writable=True)
    fs.watch = FailAt(1, FAULTS["short-write"])
    with pytest.raises(OSError) as failure:
        file.pwritev((b"nnnn", b"nnnn"), 0)
    assert failure.value.errno == errno.ENOSPC
    assert file.pread(8, 0) == b"nnnnoooo"


def test_a_lasting_fault_lasts() -> None:
    fs = _disk()
    fs.watch = FailAt(2, FAULTS["enospc"], lasting=True)
    fs.create("/b")
    for name in ("/c", "/d"):
        with pytest.raises(OSError, match="No space left"):
            fs.create(name)
    assert fs.list_directory("/") == ["a", "b"]


def test_without_power_nothing_works() -> None:
    fs = _disk()
    file = fs.open("/a", writable=True)
    fs.watch = LosePowerAt(fs.operations + 2)
    file.pwritev((b"x",), 0)
    with pytest.raises(PowerLossError):
        file.datasync()
    fs.watch = None
    with pytest.raises(PowerLossError):
        file.pread(1, 0)
    with pytest.raises(PowerLossError):
        fs.list_directory("/")
    assert fs.crash(1, 0.0, torn=False).files() == {"/a": b"o" * 64}


def test_a_full_disk_refuses_growth_only() -> None:
    fs = CrashFs(capacity_bytes=100)
    file = fs.create("/a")
    file.allocate(90)
    with pytest.raises(OSError, match="No space left"):
        file.allocate(101)
    with pytest.raises(OSError, match="No space left"):
        file.pwritev((b"x" * 11,), 90)
    file.pwritev((b"x" * 10,), 90)
    assert fs.free_bytes("/") == 0


def test_operations_are_counted_and_recorded() -> None:
    fs = CrashFs()
    recorder = Recorder()
    fs.watch = recorder
    file = fs.create("/a")
    file.pwritev((b"xyz",), 0)
    file.datasync()
    fs.sync_directory("/")
    assert recorder.lines() == ["create a", "write a 3", "sync a", "sync-directory /"]
    assert fs.operations == 4
    assert recorder.operations[1] == Operation(2, "write", "/a", 3)


def test_overwrite_is_durable_and_uncounted() -> None:
    fs = _disk()
    before = fs.operations
    fs.overwrite("/a", b"rot")
    assert fs.crash(1, 0.0).files() == {"/a": b"rot"}
    assert fs.operations == before


@pytest.mark.parametrize(("offset", "length"), [(0, 64), (16, 16), (0, 20), (40, 24), (60, 4)])
def test_what_a_failed_sync_gave_up_never_comes_over_what_a_later_one_wrote(
    offset: int, length: int
) -> None:
    fs = _disk()
    file = fs.open("/a", writable=True)
    file.pwritev((b"g" * 64,), 0)
    fs.watch = FailAt(1, FAULTS["eio"])
    with pytest.raises(OSError):
        file.datasync()
    fs.watch = None
    file.pwritev((b"n" * length,), offset)
    file.datasync()
    for seed in range(30):
        content = fs.crash(seed, 0.5, torn=False).files()["/a"]
        assert content[offset : offset + length] == b"n" * length
        assert set(content[:offset] + content[offset + length :]) <= set(b"og")
