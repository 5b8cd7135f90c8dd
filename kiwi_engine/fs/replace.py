"""Replacing a small file as a whole (shell; any thread)."""

from __future__ import annotations

import contextlib
import os
from typing import Final

from kiwi_engine.fs.protocol import FileSystem

_DRAFT: Final = ".new"


def replace_file(fs: FileSystem, path: str, content: bytes) -> None:
    """Have `content` in the file at `path`, durably; `OSError` leaves the old content there.

    Whatever happens in between, the file is the old one or the new one. A draft beside it may be
    left behind, which the next replacement removes.
    """
    draft = path + _DRAFT
    with contextlib.suppress(FileNotFoundError):
        fs.remove(draft)
    file = fs.create(draft)
    try:
        file.pwritev([content], 0)
        file.datasync()
    finally:
        file.close()
    fs.rename(draft, path)
    fs.sync_directory(os.path.dirname(path) or ".")


def read_file(fs: FileSystem, path: str) -> bytes:
    """All of a small file."""
    file = fs.open(path, writable=False)
    try:
        return file.pread(file.size(), 0)
    finally:
        file.close()
