"""What the segments of both logs have in common: names, header, endings (pure).

    0        8         12        16         20
    +--------+---------+---------+----------+
    | magic  | version | number  | checksum |     little-endian
    +--------+---------+---------+----------+

The checksum is the CRC-32C of the first 16 bytes. A segment gets its header before it gets its
name, so a damaged header is always corruption, never a torn write. Numbers start at 1, grow by
one and are never reused; `NAME = number (10 digits) + suffix`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c
from kiwi_engine.errors import CorruptionError, LayoutError

_HEADER: Final = struct.Struct("<8sIII")
HEADER_BYTES: Final = 20
SEGMENT_NUMBER_MAX: Final = 2**32 - 1
assert _HEADER.size == HEADER_BYTES


class CleanEnd(NamedTuple):
    """Everything up to `offset` is intact and nothing was begun behind it."""

    path: str
    offset: int


class TornTail(NamedTuple):
    """A write at `offset` did not complete; nothing shows that it was ever synced."""

    path: str
    offset: int
    reason: str


class Corruption(NamedTuple):
    """Bytes at `offset` that had been made durable are damaged or missing."""

    path: str
    offset: int
    reason: str


Ending = CleanEnd | TornTail | Corruption


class SegmentKind(NamedTuple):
    """What tells one log's segments from another's."""

    magic: bytes
    version: int
    suffix: str
    words: str

    def name(self, number: int) -> str:
        """The file name of segment `number`."""
        return f"{number:010d}{self.suffix}"

    def path(self, directory: str, number: int) -> str:
        """The path of segment `number`."""
        return f"{directory}/{self.name(number)}"

    def number(self, path: str) -> int:
        """The number in a segment's path; `ValueError` if it is not one of this kind."""
        name = path.rpartition("/")[2]
        number = int(name.removesuffix(self.suffix))
        if name != self.name(number):
            raise ValueError(f"{path} is not named like a {self.words} segment")
        return number

    def numbers(self, names: Iterable[str]) -> list[int]:
        """The segment numbers among the file `names`, ascending; other names are passed over."""
        suffix = self.suffix
        stems = [name[: -len(suffix)] for name in names if name.endswith(suffix)]
        return sorted(int(stem) for stem in stems if len(stem) >= 10 and stem.isdecimal())

    def encode_header(self, number: int) -> bytes:
        """The header of segment `number`."""
        body = _HEADER.pack(self.magic, self.version, number, 0)[:-4]
        return body + crc32c(body).to_bytes(4, "little")

    def check_header(self, data: bytes, path: str) -> int:
        """The number of the segment at `path`; refuses a header that is not its own.

        Raises `CorruptionError`, or `LayoutError` where another format version wrote it.
        """
        if len(data) < HEADER_BYTES:
            raise CorruptionError(path, 0, "the file ends inside the segment header")
        magic, version, number, checksum = _HEADER.unpack_from(data)
        if checksum != crc32c(data[: HEADER_BYTES - 4]):
            raise CorruptionError(path, 0, "segment header checksum mismatch")
        if magic != self.magic:
            raise CorruptionError(path, 0, f"not a {self.words} segment")
        if version != self.version:
            raise LayoutError(
                f"{path} has {self.words} format version {version};"
                f" this build reads version {self.version}"
            )
        if number != self.number(path):
            raise CorruptionError(path, 0, f"the file holds segment {number}")
        return int(number)
