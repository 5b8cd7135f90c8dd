"""Syncs that are put off until `settle`."""

from __future__ import annotations

from kiwi_engine.fs.deferred_sync import DeferredSync, settle
from kiwi_engine.testing.crash_fs import CrashFs


def test_nothing_is_durable_before_it_is_settled() -> None:
    fs = CrashFs()
    making = DeferredSync(fs)
    making.make_directory("/d")
    making.make_directory("/d/inner")
    for path in ("/d/a", "/d/inner/b"):
        file = making.create(path)
        file.pwritev((b"one", b"two"), 0)
        file.datasync()
        file.close()
    making.sync_directory("/d/inner")
    making.sync_directory("/d")
    making.sync_directory("/")
    assert fs.crash(0, 0.0).files() == {}
    settle(fs, "/d")
    fs.sync_directory("/")
    assert fs.crash(0, 0.0).files() == {"/d/a": b"onetwo", "/d/inner/b": b"onetwo"}


def test_everything_else_is_passed_on() -> None:
    fs = CrashFs()
    making = DeferredSync(fs)
    making.make_directory("/d")
    file = making.create("/d/a")
    file.pwritev((b"content",), 0)
    file.truncate(4)
    file.allocate(6)
    file.drop_cache()
    assert (file.path, file.size(), making.size("/d/a")) == ("/d/a", 6, 6)
    file.close()
    lock = making.lock_directory("/d")
    lock.release()
    making.link("/d/a", "/d/b")
    making.rename("/d/b", "/d/c")
    making.remove("/d/a")
    assert making.list_directory("/d") == ["c"]
    assert making.exists("/d/c")
    assert making.free_bytes("/d") == fs.free_bytes("/d")
    reading = making.open("/d/c", writable=False)
    assert reading.pread(9, 0) == b"cont\0\0"
    reading.close()
    making.remove("/d/c")
    making.remove_directory("/d")
    assert not fs.exists("/d")
