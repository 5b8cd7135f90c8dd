"""A file system that puts off every sync until it is told to (shell; the caller's thread).

For making a directory that nobody sees before it is whole: a restore replays a day of log records,
and a sync for each would cost hours. `settle` makes everything durable at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from kiwi_engine.fs.protocol import DirectoryLock, File, FileSystem
from kiwi_engine.fs.trees import is_directory


class _File:
    """A `File` whose content is not durable before `settle`."""

    def __init__(self, file: File) -> None:
        self.path = file.path
        self._file = file
        self.pread = file.pread
        self.drop_cache = file.drop_cache
        self.allocate = file.allocate
        self.truncate = file.truncate
        self.size = file.size
        self.close = file.close

    def pwritev(self, buffers: Sequence[bytes], offset: int) -> int:
        return self._file.pwritev(buffers, offset)

    def datasync(self) -> None:
        """Later."""


class DeferredSync:
    """A `FileSystem` over another one, for what lies below one directory."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        self.rename = fs.rename
        self.remove = fs.remove
        self.link = fs.link
        self.remove_directory = fs.remove_directory
        self.make_directory = fs.make_directory
        self.list_directory = fs.list_directory
        self.exists = fs.exists
        self.size = fs.size
        self.free_bytes = fs.free_bytes

    def create(self, path: str) -> File:
        return _File(self._fs.create(path))

    def open(self, path: str, *, writable: bool) -> File:
        return _File(self._fs.open(path, writable=writable))

    def sync_directory(self, path: str) -> None:
        """Later."""

    def lock_directory(self, path: str) -> DirectoryLock:
        return self._fs.lock_directory(path)


def settle(fs: FileSystem, path: str) -> None:
    """Make directory `path` and everything below it durable, on the file system itself."""
    for name in fs.list_directory(path):
        inner = f"{path}/{name}"
        if is_directory(fs, inner):
            settle(fs, inner)
        else:
            _sync_file(fs, inner)
    fs.sync_directory(path)


def _sync_file(fs: FileSystem, path: str) -> None:
    file = fs.open(path, writable=False)
    try:
        file.datasync()
    finally:
        file.close()
