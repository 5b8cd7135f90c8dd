"""Where a restore makes its directory (shell; one thread).

It is built beside its place, as NAME.partial, and renamed once it is whole: so a restore that was
cut off leaves nothing that could be taken for data. The next one to the same place clears it away.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.engine.backup.checkpoint import CHECKPOINT
from kiwi_engine.engine.layout import Paths
from kiwi_engine.errors import BackupError
from kiwi_engine.fs.deferred_sync import settle
from kiwi_engine.fs.posix import LOCK_NAME
from kiwi_engine.fs.protocol import DirectoryLock, FileSystem
from kiwi_engine.fs.trees import is_directory, remove_tree

_PARTIAL_SUFFIX: Final = ".partial"
_DATA_NAMES: Final = frozenset(
    {"LAYOUT", "LAYOUT.new", LOCK_NAME, "wal", "vlog", "index", CHECKPOINT, f"{CHECKPOINT}.tmp"}
)


class RestorePlace:
    """`target` will be the restored directory, `partial` is it while it is being made."""

    def __init__(self, fs: FileSystem, target: str) -> None:
        """Clear the place; `BackupError` if something else is there. `target` is absolute."""
        self._fs = fs
        self.target = target
        self.partial = Paths(target + _PARTIAL_SUFFIX)
        self._lock: DirectoryLock | None = None
        self._require_empty()
        self.clear()
        fs.make_directory(self.partial.root)
        self._lock = fs.lock_directory(self.partial.root)

    def hand_over(self) -> None:
        """Let an engine lock the directory that is being made."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def clear(self) -> None:
        """Remove what was made so far, or what an earlier restore left.

        `LockedError` if that one is still at it.
        """
        fs, path = self._fs, self.partial.root
        self.hand_over()
        if not fs.exists(path):
            return
        if not is_directory(fs, path):
            raise BackupError(f"{path} is in the way: it is not a directory")
        if foreign := set(fs.list_directory(path)) - _DATA_NAMES:
            raise BackupError(f"{path} is in the way: it holds {min(foreign)}")
        fs.lock_directory(path).release()
        remove_tree(fs, path)

    def publish(self) -> None:
        """Make the directory durable, and then give it its name."""
        fs = self._fs
        settle(fs, self.partial.root)
        if fs.exists(self.target):
            fs.remove_directory(self.target)
        fs.rename(self.partial.root, self.target)
        fs.sync_directory(self.partial.parent)

    def _require_empty(self) -> None:
        fs, target = self._fs, self.target
        if not fs.exists(target):
            return
        if not is_directory(fs, target):
            raise BackupError(f"{target} is not a directory")
        if fs.list_directory(target):
            raise BackupError(f"{target} is not empty; a restore makes a new directory")
