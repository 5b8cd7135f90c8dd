"""Copying and checking files in slices (shell; the caller's thread).

Memory is bounded by one slice. `Pace` is asked before each one: it slows the work down to what the
operator allows, tells how far it is, and ends it when the engine is to be closed.
"""

from __future__ import annotations

from typing import Final, Protocol

from kiwi_engine.checksum import crc32c
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import File, FileSystem

SLICE_BYTES: Final = 1 << 20
# Written back in steps, so that the log's sync never queues behind a whole file.
_SYNC_BYTES: Final = 16 << 20


class Pace(Protocol):
    """Told of each slice before it is read. May wait, and may raise to end the work."""

    def __call__(self, slice_bytes: int) -> None: ...


class CountingProgress:
    """A pace without a limit that shows how much was read, over several files."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def start(self, name: str, total_bytes: int) -> None:
        """Begin at nothing."""
        self._done = 0
        self._progress.start(name, total_bytes)

    def add(self, slice_bytes: int) -> None:
        """A `Pace`."""
        self._done += slice_bytes
        self._progress.reach(self._done)


def checksum_file(fs: FileSystem, path: str, length: int, pace: Pace) -> int:
    """The CRC-32C of the first `length` bytes; `CorruptionError` if the file is shorter."""
    file = fs.open(path, writable=False)
    try:
        checksum = 0
        for offset in range(0, length, SLICE_BYTES):
            checksum = crc32c(_slice(file, offset, length, pace), checksum)
        return checksum
    finally:
        file.close()


def copy_file(fs: FileSystem, source: str, target: str, length: int, pace: Pace) -> int:
    """Copy the first `length` bytes of `source` to the new file `target`, durably.

    Returns their CRC-32C. `CorruptionError` if the source is shorter. Not durable in its directory.
    """
    reading = fs.open(source, writable=False)
    try:
        writing = fs.create(target)
        try:
            checksum = 0
            for offset in range(0, length, SLICE_BYTES):
                data = _slice(reading, offset, length, pace)
                checksum = crc32c(data, checksum)
                writing.pwritev((data,), offset)
                if (offset + SLICE_BYTES) % _SYNC_BYTES == 0:
                    writing.datasync()
            writing.datasync()
            return checksum
        finally:
            writing.close()
    finally:
        reading.close()


def _slice(file: File, offset: int, length: int, pace: Pace) -> bytes:
    wanted = min(SLICE_BYTES, length - offset)
    pace(wanted)
    data = file.pread(wanted, offset)
    if len(data) < wanted:
        raise CorruptionError(file.path, offset + len(data), "the file ends too early")
    return data
