"""How many bytes of each value-log segment nothing points to any more (pure).

Counted where an overwrite is seen; the engine stores the table, garbage collection chooses by it.
A count may lag behind after a crash, never lead: it decides what is worth collecting, not what is
dead.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable
from typing import Final

_ROW: Final = struct.Struct("<IQ")


class DiscardTable:
    """Bytes discarded, by segment number. One owner, who brings its own lock if it needs one."""

    def __init__(self, rows: Iterable[tuple[int, int]] = ()) -> None:
        self._bytes = dict(rows)

    def add(self, segment: int, entry_bytes: int) -> None:
        """Nothing points to an entry of `entry_bytes` in `segment` any more."""
        self._bytes[segment] = self._bytes.get(segment, 0) + entry_bytes

    def remove(self, segment: int) -> None:
        """The segment is gone."""
        self._bytes.pop(segment, None)

    def reset(self, data: bytes) -> None:
        """Hold what `data`, an encoded table, says."""
        self._bytes = dict(_ROW.iter_unpack(data))

    def keep_only(self, segments: Container[int]) -> None:
        """All others are gone."""
        self._bytes = {number: size for number, size in self._bytes.items() if number in segments}

    def get(self, segment: int) -> int:
        """Bytes discarded in `segment`."""
        return self._bytes.get(segment, 0)

    def total(self) -> int:
        """Bytes discarded in all segments."""
        return sum(self._bytes.values())

    def items(self) -> list[tuple[int, int]]:
        """(segment, bytes), by segment."""
        return sorted(self._bytes.items())

    def encode(self) -> bytes:
        """Rows of segment u32 and bytes u64, little-endian, by segment."""
        return b"".join(_ROW.pack(*row) for row in self.items())

    @classmethod
    def decode(cls, data: bytes) -> DiscardTable:
        """The reverse of `encode`; `ValueError` for any other length."""
        if len(data) % _ROW.size:
            raise ValueError(f"a discard table of {len(data)} bytes")
        return cls((segment, size) for segment, size in _ROW.iter_unpack(data))
