"""Hashes: fields appear, change and go, many at once (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.support.collections.model import (
    ELEMENTS_MAX,
    Draw,
    Sides,
    Step,
    Words,
    copy,
    demand,
    removal,
)

_NUMBER: Final = b"number"


class Hashes:
    """See `model.Model`."""

    name = "hash"

    def empty(self) -> dict[bytes, bytes]:
        return {}

    def step(self, draw: Draw, sides: Sides) -> Step:
        side = draw.rng.randrange(2)
        kinds = ("set", "delete", "count", "copy", "remove")
        weights = (2 if len(sides[side]) > ELEMENTS_MAX else 10, 6, 3, 1, 1)
        (kind,) = draw.rng.choices(kinds, weights)
        match kind:
            case "set":
                return self._set(draw, side)
            case "delete":
                return self._delete(draw, side)
            case "count":
                return self._count(draw, side)
            case "copy":
                return copy(draw)
            case _:
                return removal(draw, self, side)

    def _set(self, draw: Draw, side: int) -> Step:
        pairs = {name: draw.unique() for name in draw.names(b"f", 8)}

        def effect(sides: Sides) -> int:
            before = len(sides[side])
            sides[side].update(pairs)
            return len(sides[side]) - before

        flat = [word for pair in pairs.items() for word in pair]
        return Step([b"HSET", draw.keys[side], *flat], effect)

    def _delete(self, draw: Draw, side: int) -> Step:
        names = draw.names(b"f", 20)

        def effect(sides: Sides) -> int:
            return sum(sides[side].pop(name, None) is not None for name in names)

        return Step([b"HDEL", draw.keys[side], *names], effect)

    def _count(self, draw: Draw, side: int) -> Step:
        def effect(sides: Sides) -> int:
            number = int(sides[side].get(_NUMBER, 0)) + 1
            sides[side][_NUMBER] = b"%d" % number
            return number

        return Step([b"HINCRBY", draw.keys[side], _NUMBER, b"1"], effect)

    def questions(self, key: bytes) -> list[Words]:
        return [[b"HGETALL", key], [b"HLEN", key], [b"HSCAN", key, b"0", b"COUNT", b"10000"]]

    def content(self, replies: Sequence[Any]) -> dict[bytes, bytes]:
        flat, count, (cursor, scanned) = replies
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        demand(len(fields) == count == len(flat) // 2, f"HLEN says {count}, HGETALL: {flat}")
        demand(cursor == b"0", "HSCAN does not come to its end")
        found = dict(zip(scanned[::2], scanned[1::2], strict=True))
        demand(found == fields, f"HSCAN and HGETALL differ: {found} and {fields}")
        return fields


MODEL: Final = Hashes()
