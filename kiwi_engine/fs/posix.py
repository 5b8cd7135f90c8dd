"""The disk as POSIX offers it (shell; any thread, one file at a time per thread).

The only module of the engine that opens, writes, syncs, renames or locks. Interrupted calls are
retried by Python itself (PEP 475); short reads and writes are completed here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from typing import Final

from kiwi_engine.errors import LockedError

LOCK_NAME: Final = "LOCK"
# POSIX guarantees 16, Linux and macOS take 1024 buffers in one call.
_BUFFERS_MAX: Final = 1024
# macOS has no fdatasync; its fsync does not reach the platters either, see docs/durability.md.
_datasync = getattr(os, "fdatasync", os.fsync)


class PosixFile:
    """A `File` over one descriptor."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: str, flags: int) -> None:
        self.path = path
        self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)

    def pread(self, length: int, offset: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        if len(data) == length or not data:
            return data
        parts = [data]
        missing = length - len(data)
        while missing and (data := os.pread(self._descriptor, missing, offset + length - missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def pwritev(self, buffers: Sequence[bytes], offset: int) -> int:
        total = sum(map(len, buffers))
        if len(buffers) <= _BUFFERS_MAX:
            written = os.pwritev(self._descriptor, buffers, offset)
            if written == total:
                return total
        else:
            written = 0
        self._write_rest(buffers, written, offset)
        return total

    def _write_rest(self, buffers: Sequence[bytes], written: int, offset: int) -> None:
        """Write what is left of `buffers` after their first `written` bytes."""
        rest = [memoryview(buffer) for buffer in buffers if buffer]
        while True:
            offset += written
            first = 0
            while first < len(rest) and written >= len(rest[first]):
                written -= len(rest[first])
                first += 1
            del rest[:first]
            if not rest:
                return
            rest[0] = rest[0][written:]
            written = os.pwritev(self._descriptor, rest[:_BUFFERS_MAX], offset)

    def datasync(self) -> None:
        _datasync(self._descriptor)

    def drop_cache(self) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def allocate(self, length: int) -> None:
        if length <= 0:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._descriptor, 0, length)
        elif self.size() < length:
            os.ftruncate(self._descriptor, length)

    def truncate(self, length: int) -> None:
        os.ftruncate(self._descriptor, length)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class PosixLock:
    """An exclusive `flock`, which the system drops with the process.

    Not `lockf`: that one admits a second owner in the same process and is lost when any
    descriptor of the file is closed.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            if not isinstance(failure, BlockingIOError):
                raise
            directory = path.removesuffix(f"/{LOCK_NAME}")
            raise LockedError(f"{directory} is in use by process {owner or 'unknown'}") from None
        # Who holds it is told to others, no more: a full disk does not matter.
        with contextlib.suppress(OSError):
            length = os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
            os.ftruncate(self._descriptor, length)

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # Unlocks the file even where a forked child still holds the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


class PosixFileSystem:
    """A `FileSystem` over the operating system's."""

    def create(self, path: str) -> PosixFile:
        return PosixFile(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def open(self, path: str, *, writable: bool) -> PosixFile:
        return PosixFile(path, os.O_RDWR if writable else os.O_RDONLY)

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove(self, path: str) -> None:
        os.remove(path)

    def link(self, source: str, target: str) -> None:
        os.link(source, target)

    def remove_directory(self, path: str) -> None:
        os.rmdir(path)

    def make_directory(self, path: str) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        if not os.path.isdir(path):
            raise NotADirectoryError(f"{path} is not a directory")

    def list_directory(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def exists(self, path: str) -> bool:
        return os.path.lexists(path)

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock_directory(self, path: str) -> PosixLock:
        return PosixLock(f"{path}/{LOCK_NAME}")

    def free_bytes(self, path: str) -> int:
        facts = os.statvfs(path)
        return facts.f_bavail * facts.f_frsize
