"""Bitmaps, small ones and such as are stored in pages (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.support.collections.model import (
    LEFT,
    RIGHT,
    Draw,
    Sides,
    Step,
    Words,
    copy,
    demand,
    removal,
)

_BYTES_MAX: Final = 4000


class Bitmaps:
    """See `model.Model`. A side is the whole string."""

    name = "bitmap"

    def empty(self) -> bytes:
        return b""

    def step(self, draw: Draw, sides: Sides) -> Step:
        side = draw.rng.randrange(2)
        kinds = ("bit", "range", "append", "unite", "copy", "remove")
        weights = (10, 5, 1 if len(sides[side]) < _BYTES_MAX else 0, 1, 1, 1)
        (kind,) = draw.rng.choices(kinds, weights)
        match kind:
            case "bit":
                return self._bit(draw, side)
            case "range":
                return self._range(draw, side)
            case "append":
                return self._append(draw, side)
            case "unite":
                return self._unite(draw)
            case "copy":
                return copy(draw)
            case _:
                return removal(draw, self, side)

    def _bit(self, draw: Draw, side: int) -> Step:
        offset, bit = draw.rng.randrange(_BYTES_MAX * 8), draw.rng.randrange(2)

        def effect(sides: Sides) -> int:
            data = bytearray(sides[side].ljust(offset // 8 + 1, b"\0"))
            mask = 0x80 >> offset % 8
            before = bool(data[offset // 8] & mask)
            data[offset // 8] = data[offset // 8] & ~mask | (mask if bit else 0)
            sides[side] = bytes(data)
            return int(before)

        return Step([b"SETBIT", draw.keys[side], b"%d" % offset, b"%d" % bit], effect)

    def _range(self, draw: Draw, side: int) -> Step:
        offset, data = draw.rng.randrange(_BYTES_MAX), draw.unique()

        def effect(sides: Sides) -> int:
            before = sides[side].ljust(offset, b"\0")
            sides[side] = before[:offset] + data + before[offset + len(data) :]
            return len(sides[side])

        return Step([b"SETRANGE", draw.keys[side], b"%d" % offset, data], effect)

    def _append(self, draw: Draw, side: int) -> Step:
        data = draw.unique()

        def effect(sides: Sides) -> int:
            sides[side] += data
            return len(sides[side])

        return Step([b"APPEND", draw.keys[side], data], effect)

    def _unite(self, draw: Draw) -> Step:
        def effect(sides: Sides) -> int:
            size = max(map(len, sides))
            left, right = (int.from_bytes(side.ljust(size, b"\0")) for side in sides)
            sides[RIGHT] = (left | right).to_bytes(size)
            return size

        left, right = draw.keys[LEFT], draw.keys[RIGHT]
        return Step([b"BITOP", b"OR", right, left, right], effect)

    def questions(self, key: bytes) -> list[Words]:
        return [
            [b"GET", key],
            [b"STRLEN", key],
            [b"BITCOUNT", key],
            [b"GETRANGE", key, b"0", b"-1"],
        ]

    def content(self, replies: Sequence[Any]) -> bytes:
        value, size, count, same = replies
        value = value or b""
        demand(len(value) == size, f"STRLEN says {size} of {len(value)} bytes")
        demand(int.from_bytes(value).bit_count() == count, f"BITCOUNT says {count} of {value!r}")
        demand(value == same, "GETRANGE and GET differ")
        return bytes(value)


MODEL: Final = Bitmaps()
