"""Whole directories: finding and removing what is in them (shell; the caller's thread)."""

from __future__ import annotations

from collections.abc import Iterator

from kiwi_engine.fs.protocol import FileSystem


def files_below(fs: FileSystem, path: str) -> Iterator[str]:
    """The files below directory `path`, relative to it, in order."""
    for name in fs.list_directory(path):
        inner = f"{path}/{name}"
        if is_directory(fs, inner):
            yield from (f"{name}/{file}" for file in files_below(fs, inner))
        else:
            yield name


def is_directory(fs: FileSystem, path: str) -> bool:
    """Whether `path`, which exists, is a directory."""
    try:
        fs.list_directory(path)
    except NotADirectoryError:
        return False
    return True


def remove_tree(fs: FileSystem, path: str) -> None:
    """Remove directory `path` and everything below it; nothing to do where there is none."""
    if not fs.exists(path):
        return
    for name in fs.list_directory(path):
        inner = f"{path}/{name}"
        if is_directory(fs, inner):
            remove_tree(fs, inner)
        else:
            fs.remove(inner)
    fs.remove_directory(path)
