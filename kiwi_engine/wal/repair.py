"""Clearing a torn tail (shell; recovery only)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_file import zero_fill
from kiwi_engine.fs.segment_format import HEADER_BYTES

_SLICE_BYTES: Final = 8 << 20


def repair_tail(fs: FileSystem, path: str, offset: int) -> int:
    """Durably zero the segment at `path` from `offset` to its end; returns the bytes zeroed.

    Without this, a record torn off now could be read as new later: where records written over the
    place end exactly at an old, never acknowledged one. Zeros go from front to back, so a crash in
    between leaves a torn tail again, and doing it twice changes nothing.
    """
    assert offset >= HEADER_BYTES, "a segment header is never part of a torn tail"
    file = fs.open(path, writable=True)
    try:
        size = file.size()
        zero_fill(file, offset, size, _SLICE_BYTES)
        return max(size - offset, 0)
    finally:
        file.close()
