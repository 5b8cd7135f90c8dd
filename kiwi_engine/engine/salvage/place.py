"""Where a salvage may read and where it may write (shell)."""

from __future__ import annotations

import os
import shutil

from kiwi_engine.engine.inspection.owner import owner_of
from kiwi_engine.engine.layout import Paths
from kiwi_engine.errors import LockedError, SalvageTargetError
from kiwi_engine.fs.protocol import FileSystem


def partial_of(target: str) -> str:
    """The name of `target` while it is being built, in the same directory."""
    return f"{target}.partial"


def discard_partial(target: str) -> None:
    """Remove what this process has built so far; the file system's complaints are ignored."""
    shutil.rmtree(partial_of(target), ignore_errors=True)


def check_source(fs: FileSystem, paths: Paths) -> None:
    """`NotADirectoryError` unless there is a data directory."""
    parts = (paths.layout, paths.wal, paths.values, paths.index)
    if not any(fs.exists(part) for part in parts):
        raise NotADirectoryError(f"{paths.root} is not a Kiwi Engine data directory")


def refuse_owned(source: str) -> None:
    """`LockedError` if a process holds `source`; takes no lock."""
    owner = owner_of(source)
    if owner is not None:
        raise LockedError(f"{source} is in use by process {owner}: stop it, or salvage a copy")


def check_target(source: str, target: str) -> str:
    """The absolute path of a new directory that may be made; `SalvageTargetError` if it may not."""
    path, old = os.path.realpath(target), os.path.realpath(source)
    if os.path.commonpath((path, old)) in (path, old):
        raise SalvageTargetError(f"{target} and {source} lie in one another")
    if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
        raise SalvageTargetError(f"{target} exists and is not an empty directory")
    if os.path.ismount(path):
        raise SalvageTargetError(f"{target} is a mount point: name a directory inside it")
    if not os.path.isdir(os.path.dirname(path)):
        raise SalvageTargetError(f"{os.path.dirname(path)} is not a directory")
    if os.path.lexists(partial_of(path)):
        reason = "is left of a salvage that did not finish; remove it first"
        raise SalvageTargetError(f"{partial_of(path)} {reason}")
    return path
