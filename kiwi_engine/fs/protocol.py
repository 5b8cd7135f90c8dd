"""What the rest of the engine may ask of a disk (pure: types only).

`fs.posix` is the real one; `testing.crash_fs` is one that can lose power. Paths are strings. All
errors of the operating system surface as `OSError`. Nothing is durable before `datasync` (content)
and `sync_directory` (names) returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class File(Protocol):
    """One open file, addressed by absolute byte offsets."""

    path: str

    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes from `offset`; shorter only at the end of the file."""
        ...

    def pwritev(self, buffers: Sequence[bytes], offset: int) -> int:
        """Write all `buffers` one after another from `offset`; returns the bytes written.

        Retries short writes until everything is written or the system reports an error.
        """
        ...

    def datasync(self) -> None:
        """Make the content (and the size) durable. A failure is final: never retry it."""
        ...

    def drop_cache(self) -> None:
        """Have the next reads come from the device, as far as the system can do that.

        For after a `datasync`. What an earlier, failed sync did not write is no longer seen then.
        """
        ...

    def allocate(self, length: int) -> None:
        """Reserve disk blocks so that the file holds at least `length` bytes (zero-filled)."""
        ...

    def truncate(self, length: int) -> None:
        """Cut or extend to `length` bytes."""
        ...

    def size(self) -> int:
        """Current size in bytes."""
        ...

    def close(self) -> None:
        """Release the descriptor; never syncs. Closing twice is harmless."""
        ...


class DirectoryLock(Protocol):
    """Held while a process owns a data directory."""

    def release(self) -> None: ...


class FileSystem(Protocol):
    """Names, directories and locks."""

    def create(self, path: str) -> File:
        """A new empty file, opened for reading and writing; `FileExistsError` if present."""
        ...

    def open(self, path: str, *, writable: bool) -> File: ...

    def rename(self, source: str, target: str) -> None:
        """Atomic replacement; durable only after `sync_directory`."""
        ...

    def remove(self, path: str) -> None: ...

    def link(self, source: str, target: str) -> None:
        """Give the file `source` a second name; durable only after `sync_directory`.

        `FileExistsError` if `target` is taken. `OSError` where the two cannot share a file, for
        example (`errno.EXDEV`) on different file systems: copy it instead.
        """
        ...

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory; durable only after `sync_directory` of its parent."""
        ...

    def make_directory(self, path: str) -> None:
        """Create `path` (one level) unless it exists already."""
        ...

    def list_directory(self, path: str) -> list[str]:
        """The names in `path`, sorted; empty if there is no such directory."""
        ...

    def exists(self, path: str) -> bool: ...

    def size(self, path: str) -> int: ...

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in `path` durable."""
        ...

    def lock_directory(self, path: str) -> DirectoryLock:
        """Own `path` exclusively; `LockedError` (with the owner's pid) if another process does."""
        ...

    def free_bytes(self, path: str) -> int:
        """Disk space that an unprivileged writer could still use."""
        ...
