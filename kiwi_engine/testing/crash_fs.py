"""A file system in memory that can lose power (shell; one thread).

Each file has live and durable content, each directory live and durable entries. `datasync` and
`sync_directory` make durable what is live. `crash` returns the disk as a power failure may leave
it, chosen by a seed: of the changes since the last sync it keeps a share, by sector and by name,
and may leave garbage where a sector was being written. Bytes that were not written since the last
sync never change. `restart` returns it as a killed process leaves it: nothing is lost.

Harsher than ext4 in that changes of names may be kept in any order, as far as one name is concerned
they keep theirs. A failed `datasync` drops the changes from what a later one writes, as Linux does
(https://lwn.net/Articles/752063/).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from random import Random
from typing import Final

from kiwi_engine.errors import LockedError
from kiwi_engine.testing.crash_disk import Content, Directory, PowerLoss
from kiwi_engine.testing.fault_plan import Fault, Operation, PowerLossError, Watcher

SECTOR_BYTES: Final = 32
CAPACITY_BYTES: Final = 1 << 40


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


class CrashFile:
    """An open file of a `CrashFs`."""

    def __init__(self, fs: CrashFs, path: str, content: Content, writable: bool) -> None:
        self.path = path
        self._fs = fs
        self._content = content
        self._writable = writable
        self._closed = False

    def pread(self, length: int, offset: int) -> bytes:
        if self._closed or not self._fs.powered:
            self._require_open()
        return bytes(memoryview(self._content.live)[offset : offset + length])

    def pwritev(self, buffers: Sequence[bytes], offset: int) -> int:
        data = b"".join(buffers)
        self._require_open(writable=True)
        fault = self._fs.begin("write", self.path, len(data))
        if fault is None:
            fault = self._fs.refuse_growth(offset + len(data) - len(self._content.live))
        if fault:
            data = data[: int(len(data) * fault.share_written)]
        if data:
            self._content.write(offset, data)
        if fault:
            raise _error(fault.errno, self.path)
        return len(data)

    def datasync(self) -> None:
        self._require_open()
        if fault := self._fs.begin("sync", self.path):
            self._content.give_up()
            raise _error(fault.errno, self.path)
        self._content.sync()

    def drop_cache(self) -> None:
        self._require_open()
        self._content.drop_cache()

    def allocate(self, length: int) -> None:
        self._require_open(writable=True)
        growth = length - len(self._content.live)
        self._fs.must("allocate", self.path, length, growth)
        if growth > 0:
            self._content.resize(length)

    def truncate(self, length: int) -> None:
        self._require_open(writable=True)
        self._fs.must("truncate", self.path, length)
        self._content.resize(length)

    def size(self) -> int:
        self._require_open()
        return len(self._content.live)

    def close(self) -> None:
        self._closed = True

    def _require_open(self, *, writable: bool = False) -> None:
        self._fs.require_power()
        if self._closed or (writable and not self._writable):
            raise _error(errno.EBADF, self.path)


class CrashLock:
    """A lock that a crash or restart releases."""

    def __init__(self, locks: set[str], path: str) -> None:
        self._locks = locks
        self._path = path
        locks.add(path)

    def release(self) -> None:
        self._locks.discard(self._path)


class CrashFs:
    """A `FileSystem` with one durable, empty directory `/`. Paths begin with `/`.

    `operations` counts what changed the disk. Assign `watch` to observe or fail operations.
    """

    def __init__(
        self, *, sector_bytes: int = SECTOR_BYTES, capacity_bytes: int = CAPACITY_BYTES
    ) -> None:
        self.operations = 0
        self.watch: Watcher | None = None
        self._sector_bytes = sector_bytes
        self._capacity_bytes = capacity_bytes
        self._root = Directory()
        # Directories by path: a walk from the root for each call would show in the sweeps.
        self._found: dict[str, Directory] = {}
        self._located: dict[str, tuple[Directory, str]] = {}
        self._locks: set[str] = set()
        self.powered = True

    # -- what a test does

    def crash(self, seed: int, keep: float, *, torn: bool = True) -> CrashFs:
        """The disk after a power failure at this moment; this object is left as it is.

        `keep`: the share (0 .. 1) of unsynced changes that survive. 1 keeps all of them.
        """
        survivor = self._successor()
        loss = PowerLoss(Random(seed), keep, torn=torn, sector_bytes=self._sector_bytes)
        survivor._root = self._root.after_crash(loss)
        return survivor

    def restart(self) -> CrashFs:
        """The disk after the process was killed at this moment: unsynced changes stay visible."""
        survivor = self._successor()
        survivor._root = self._root.copy({})
        return survivor

    def fingerprint(self) -> int:
        """Equal for disks in the same state, unsynced changes included; within one process."""
        return self._root.fingerprint({})

    def files(self) -> dict[str, bytes]:
        """The live content of all files, by path."""
        found: dict[str, bytes] = {}

        def walk(directory: Directory, prefix: str) -> None:
            for name, entry in sorted(directory.live.items()):
                if isinstance(entry, Directory):
                    walk(entry, f"{prefix}{name}/")
                else:
                    found[f"{prefix}{name}"] = bytes(entry.live)

        walk(self._root, "/")
        return found

    def overwrite(self, path: str, data: bytes) -> None:
        """Bit rot: replace a file's content, durably and uncounted."""
        content = Content()
        content.write(0, data)
        content.sync()
        directory, name = self._locate(path)
        directory.live[name] = directory.durable[name] = content

    def _successor(self) -> CrashFs:
        return CrashFs(sector_bytes=self._sector_bytes, capacity_bytes=self._capacity_bytes)

    # -- what files ask of it

    def require_power(self) -> None:
        if not self.powered:
            raise PowerLossError("the power is off")

    def begin(self, kind: str, path: str, length: int = 0) -> Fault | None:
        """Count an operation and ask the watcher."""
        self.require_power()
        self.operations += 1
        if self.watch is None:
            return None
        try:
            return self.watch(Operation(self.operations, kind, path, length))
        except PowerLossError:
            self.powered = False
            raise

    def must(self, kind: str, path: str, length: int = 0, growth: int = 0) -> None:
        """`begin`, for an operation that happens entirely or not at all."""
        if fault := self.begin(kind, path, length) or self.refuse_growth(growth):
            raise _error(fault.errno, path)

    def refuse_growth(self, growth: int) -> Fault | None:
        """The fault of a file that grows by more bytes than the disk has left."""
        if growth <= 0 or self._capacity_bytes == CAPACITY_BYTES:
            return None
        return Fault(errno.ENOSPC) if growth > self.free_bytes("/") else None

    # -- FileSystem

    def create(self, path: str) -> CrashFile:
        self.must("create", path)
        directory, name = self._locate(path)
        if name in directory.live:
            raise _error(errno.EEXIST, path)
        content = Content()
        directory.change({name: content})
        return CrashFile(self, path, content, writable=True)

    def open(self, path: str, *, writable: bool) -> CrashFile:
        self.require_power()
        return CrashFile(self, path, self._content(path), writable)

    def rename(self, source: str, target: str) -> None:
        self.must("rename", target)
        directory, name = self._locate(source)
        target_directory, target_name = self._locate(target)
        assert directory is target_directory, "renaming across directories is not modelled"
        if name not in directory.live:
            raise _error(errno.ENOENT, source)
        entry = directory.live[name]
        directory.change({name: None, target_name: entry})
        if isinstance(entry, Directory):
            self._forget_places()

    def remove(self, path: str) -> None:
        self.must("remove", path)
        self._content(path)
        directory, name = self._locate(path)
        directory.change({name: None})

    def link(self, source: str, target: str) -> None:
        self.must("link", target)
        directory, name = self._locate(target)
        if name in directory.live:
            raise _error(errno.EEXIST, target)
        directory.change({name: self._content(source)})

    def remove_directory(self, path: str) -> None:
        self.must("remove-directory", path)
        if self._directory(path).live:
            raise _error(errno.ENOTEMPTY, path)
        directory, name = self._locate(path)
        directory.change({name: None})
        self._forget_places()

    def make_directory(self, path: str) -> None:
        self.must("make-directory", path)
        directory, name = self._locate(path)
        existing = directory.live.get(name)
        if existing is None:
            directory.change({name: Directory()})
        elif not isinstance(existing, Directory):
            raise _error(errno.ENOTDIR, path)

    def list_directory(self, path: str) -> list[str]:
        self.require_power()
        try:
            return sorted(self._directory(path).live)
        except FileNotFoundError:
            return []

    def exists(self, path: str) -> bool:
        self.require_power()
        try:
            directory, name = self._locate(path)
        except FileNotFoundError:
            return False
        return name in directory.live

    def size(self, path: str) -> int:
        self.require_power()
        return len(self._content(path).live)

    def sync_directory(self, path: str) -> None:
        directory = self._directory(path)
        self.must("sync-directory", path)
        directory.sync()

    def lock_directory(self, path: str) -> CrashLock:
        self.require_power()
        self._directory(path)
        if path in self._locks:
            raise LockedError(f"{path} is in use by process {os.getpid()}")
        return CrashLock(self._locks, path)

    def free_bytes(self, path: str) -> int:
        self._directory(path)
        if self._capacity_bytes == CAPACITY_BYTES:
            # Nobody fills that up, and an engine asks all the time.
            return CAPACITY_BYTES
        return self._capacity_bytes - self._root.live_bytes()

    # -- paths

    def _forget_places(self) -> None:
        self._found.clear()
        self._located.clear()

    def _directory(self, path: str) -> Directory:
        known = self._found.get(path)
        return self._find(path) if known is None else known

    def _find(self, path: str) -> Directory:
        found = self._root
        for part in path.split("/"):
            if part:
                entry = found.live.get(part)
                if entry is None:
                    raise _error(errno.ENOENT, path)
                if not isinstance(entry, Directory):
                    raise _error(errno.ENOTDIR, path)
                found = entry
        self._found[path] = found
        return found

    def _locate(self, path: str) -> tuple[Directory, str]:
        known = self._located.get(path)
        if known is None:
            parent, _, name = path.rpartition("/")
            known = self._located[path] = self._directory(parent), name
        return known

    def _content(self, path: str) -> Content:
        directory, name = self._locate(path)
        entry = directory.live.get(name)
        if entry is None:
            raise _error(errno.ENOENT, path)
        if isinstance(entry, Directory):
            raise _error(errno.EISDIR, path)
        return entry
