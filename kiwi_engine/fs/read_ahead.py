"""Reading a file front to back, and searching it, in bounded memory (shell; one thread)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kiwi_engine.checksum import crc32c
from kiwi_engine.fs.protocol import File

CHUNK_BYTES: Final = 1 << 20
# `startswith` on it compares memory; searching zeros for a pattern that holds some is far slower.
_ZEROS: Final = bytes(CHUNK_BYTES + 64)


class ReadAhead:
    """A window over a file, so that many small reads cost few system calls."""

    def __init__(self, file: File, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._file = file
        self._chunk_bytes = chunk_bytes
        self._begin = 0
        self._chunk = b""

    def read(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes from `offset`; shorter only at the end of the file."""
        at = offset - self._begin
        if at < 0 or at + length > len(self._chunk):
            if length >= self._chunk_bytes:
                return self._file.pread(length, offset)
            self._begin, at = offset, 0
            self._chunk = self._file.pread(self._chunk_bytes, offset)
        return self._chunk[at : at + length]

    def checksum(self, length: int, offset: int, seed: int) -> int:
        """CRC-32C of [offset, offset + length), continuing from `seed`."""
        end = offset + length
        while offset < end:
            piece = self.read(min(end - offset, self._chunk_bytes), offset)
            if not piece:
                break
            seed = crc32c(piece, seed)
            offset += len(piece)
        return seed


def find_all(file: File, pattern: bytes, begin: int, end: int | None = None) -> Iterator[int]:
    """The offsets from `begin` on at which `pattern`, not all zeros, occurs; ascending.

    Stops at the end of the file, or at the end of the chunk in which `end` lies.
    """
    overlap = len(pattern) - 1
    while end is None or begin < end:
        chunk = file.pread(CHUNK_BYTES + overlap, begin)
        at = -1 if _ZEROS.startswith(chunk) else chunk.find(pattern)
        while at != -1:
            yield begin + at
            at = chunk.find(pattern, at + 1)
        if len(chunk) < CHUNK_BYTES + overlap:
            return
        begin += CHUNK_BYTES


def is_zero_from(file: File, begin: int) -> bool:
    """Whether the rest of the file is zeros (or there is no rest)."""
    while chunk := file.pread(CHUNK_BYTES, begin):
        if not _ZEROS.startswith(chunk):
            return False
        begin += len(chunk)
    return True
