"""The crashable file system behaves like the real one, as far as the engine can see."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kiwi_engine.errors import LockedError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.testing.crash_fs import CrashFs


@pytest.fixture(params=["posix", "crash"])
def fs(request: pytest.FixtureRequest) -> FileSystem:
    return PosixFileSystem() if request.param == "posix" else CrashFs()


@pytest.fixture
def root(fs: FileSystem, tmp_path: Path) -> str:
    if isinstance(fs, CrashFs):
        fs.make_directory("/root")
        return "/root"
    return str(tmp_path)


def _errno(failure: pytest.ExceptionInfo[OSError]) -> int | None:
    return failure.value.errno


def test_bytes_written_are_read_back(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    assert file.pwritev((b"hello ", b"", b"world"), 3) == 11
    assert file.pread(100, 0) == b"\0\0\0hello world"
    assert file.pread(5, 3) == b"hello"
    assert file.pread(5, 14) == b""
    assert file.pread(5, 400) == b""
    assert file.size() == fs.size(f"{root}/a") == 14
    assert file.path == f"{root}/a"
    file.close()


def test_more_buffers_than_one_call_takes(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    buffers = [b"%04d" % number for number in range(2500)]
    buffers[7] = b""
    assert file.pwritev(buffers, 10) == 9996
    assert file.pread(20_000, 10) == b"".join(buffers)
    file.close()


def test_an_empty_write_changes_nothing(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    assert file.pwritev((b"", b""), 10) == 0
    assert file.pwritev((), 10) == 0
    assert file.size() == 0
    file.close()


def test_allocate_grows_and_never_shrinks(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    file.pwritev((b"abc",), 0)
    file.allocate(8)
    assert file.pread(100, 0) == b"abc\0\0\0\0\0"
    file.allocate(2)
    file.allocate(0)
    assert file.size() == 8
    file.close()


def test_truncate_cuts_and_extends_with_zeros(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    file.pwritev((b"abcdef",), 0)
    file.truncate(2)
    file.truncate(4)
    assert file.pread(100, 0) == b"ab\0\0"
    file.close()


def test_syncs_leave_what_is_seen_alone(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    file.pwritev((b"abc",), 0)
    file.datasync()
    file.drop_cache()
    fs.sync_directory(root)
    assert file.pread(3, 0) == b"abc"
    file.close()


def test_create_refuses_an_existing_name(fs: FileSystem, root: str) -> None:
    fs.create(f"{root}/a").close()
    with pytest.raises(FileExistsError):
        fs.create(f"{root}/a")


def test_open_needs_an_existing_file(fs: FileSystem, root: str) -> None:
    with pytest.raises(FileNotFoundError):
        fs.open(f"{root}/a", writable=True)
    with pytest.raises(FileNotFoundError):
        fs.create(f"{root}/missing/a")
    with pytest.raises(FileNotFoundError):
        fs.size(f"{root}/a")


def test_a_file_opened_for_reading_cannot_be_written(fs: FileSystem, root: str) -> None:
    fs.create(f"{root}/a").close()
    file = fs.open(f"{root}/a", writable=False)
    with pytest.raises(OSError) as failure:
        file.pwritev((b"x",), 0)
    assert _errno(failure) == errno.EBADF
    file.close()


def test_a_closed_file_is_closed(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    file.close()
    file.close()
    with pytest.raises(OSError) as failure:
        file.pread(1, 0)
    assert _errno(failure) == errno.EBADF


def test_rename_replaces(fs: FileSystem, root: str) -> None:
    for name in (b"a", b"b"):
        file = fs.create(f"{root}/{name.decode()}")
        file.pwritev((name,), 0)
        file.close()
    fs.rename(f"{root}/a", f"{root}/b")
    assert fs.list_directory(root) == ["b"]
    file = fs.open(f"{root}/b", writable=False)
    assert file.pread(9, 0) == b"a"
    file.close()
    with pytest.raises(FileNotFoundError):
        fs.rename(f"{root}/a", f"{root}/c")


def test_a_removed_file_lives_on_for_those_who_have_it_open(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    file.pwritev((b"abc",), 0)
    fs.remove(f"{root}/a")
    assert not fs.exists(f"{root}/a")
    assert file.pread(3, 0) == b"abc"
    file.close()
    with pytest.raises(FileNotFoundError):
        fs.remove(f"{root}/a")


def test_directories(fs: FileSystem, root: str) -> None:
    fs.make_directory(f"{root}/d")
    fs.make_directory(f"{root}/d")
    fs.create(f"{root}/d/x").close()
    fs.create(f"{root}/d/a").close()
    assert fs.list_directory(f"{root}/d") == ["a", "x"]
    assert fs.list_directory(f"{root}/none") == []
    assert fs.exists(f"{root}/d")
    assert not fs.exists(f"{root}/none/a")
    with pytest.raises(FileNotFoundError):
        fs.make_directory(f"{root}/none/d")
    with pytest.raises(NotADirectoryError):
        fs.make_directory(f"{root}/d/a")
    with pytest.raises(FileNotFoundError):
        fs.sync_directory(f"{root}/none")


def test_a_directory_has_one_owner(fs: FileSystem, root: str) -> None:
    lock = fs.lock_directory(root)
    with pytest.raises(LockedError, match=r"in use by process [0-9]+"):
        fs.lock_directory(root)
    lock.release()
    lock.release()
    fs.lock_directory(root).release()


def test_free_bytes_is_positive(fs: FileSystem, root: str) -> None:
    assert fs.free_bytes(root) > 0


def test_a_link_is_a_second_name_of_the_file(fs: FileSystem, root: str) -> None:
    file = fs.create(f"{root}/a")
    file.pwritev((b"before",), 0)
    fs.link(f"{root}/a", f"{root}/b")
    file.pwritev((b"after!",), 0)
    file.close()
    fs.remove(f"{root}/a")
    other = fs.open(f"{root}/b", writable=False)
    assert other.pread(100, 0) == b"after!"
    other.close()


def test_a_link_to_nothing_or_over_something_is_refused(fs: FileSystem, root: str) -> None:
    fs.create(f"{root}/a").close()
    fs.create(f"{root}/b").close()
    with pytest.raises(FileExistsError):
        fs.link(f"{root}/a", f"{root}/b")
    with pytest.raises(FileNotFoundError):
        fs.link(f"{root}/missing", f"{root}/c")
    with pytest.raises(FileNotFoundError):
        fs.link(f"{root}/a", f"{root}/missing/c")


def test_only_an_empty_directory_is_removed(fs: FileSystem, root: str) -> None:
    fs.make_directory(f"{root}/d")
    fs.create(f"{root}/d/a").close()
    with pytest.raises(OSError) as failure:
        fs.remove_directory(f"{root}/d")
    assert _errno(failure) == errno.ENOTEMPTY
    fs.remove(f"{root}/d/a")
    fs.remove_directory(f"{root}/d")
    assert not fs.exists(f"{root}/d")
    with pytest.raises(FileNotFoundError):
        fs.remove_directory(f"{root}/d")


def test_listing_a_file_is_refused(fs: FileSystem, root: str) -> None:
    fs.create(f"{root}/a").close()
    with pytest.raises(NotADirectoryError):
        fs.list_directory(f"{root}/a")
