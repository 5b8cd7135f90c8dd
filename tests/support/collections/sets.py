"""Sets: members are moved from one to the other, and sets made of sets (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.support.collections.model import (
    ELEMENTS_MAX,
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


class Sets:
    """See `model.Model`. A side is a dict whose values mean nothing."""

    name = "set"

    def empty(self) -> dict[bytes, int]:
        return {}

    def step(self, draw: Draw, sides: Sides) -> Step:
        side = draw.rng.randrange(2)
        kinds = ("add", "remove members", "move", "unite", "copy", "remove")
        weights = (2 if len(sides[side]) > ELEMENTS_MAX else 10, 5, 10, 1, 1, 1)
        (kind,) = draw.rng.choices(kinds, weights)
        match kind:
            case "add":
                return self._add(draw, side)
            case "remove members":
                return self._remove(draw, side)
            case "move":
                return self._move(draw, side, sides)
            case "unite":
                return self._unite(draw)
            case "copy":
                return copy(draw)
            case _:
                return removal(draw, self, side)

    def _add(self, draw: Draw, side: int) -> Step:
        members = draw.names(draw.rng.choice((b"", b"m")), 8)

        def effect(sides: Sides) -> int:
            before = len(sides[side])
            sides[side].update(dict.fromkeys(members, 0))
            return len(sides[side]) - before

        return Step([b"SADD", draw.keys[side], *members], effect)

    def _remove(self, draw: Draw, side: int) -> Step:
        members = draw.names(draw.rng.choice((b"", b"m")), 20)

        def effect(sides: Sides) -> int:
            return sum(sides[side].pop(member, None) is not None for member in members)

        return Step([b"SREM", draw.keys[side], *members], effect)

    def _move(self, draw: Draw, side: int, sides: Sides) -> Step:
        member = draw.rng.choice([*sides[side], b"nobody"])
        other = 1 - side

        def effect(sides: Sides) -> int:
            if sides[side].pop(member, None) is None:
                return 0
            sides[other][member] = 0
            return 1

        return Step([b"SMOVE", draw.keys[side], draw.keys[other], member], effect)

    def _unite(self, draw: Draw) -> Step:
        def effect(sides: Sides) -> int:
            sides[RIGHT].update(sides[LEFT])
            return len(sides[RIGHT])

        left, right = draw.keys
        return Step([b"SUNIONSTORE", right, left, right], effect)

    def questions(self, key: bytes) -> list[Words]:
        return [[b"SMEMBERS", key], [b"SCARD", key], [b"SSCAN", key, b"0", b"COUNT", b"10000"]]

    def content(self, replies: Sequence[Any]) -> dict[bytes, int]:
        members, count, (cursor, scanned) = replies
        demand(len(set(members)) == count == len(members), f"SCARD says {count}: {members}")
        demand(cursor == b"0", "SSCAN does not come to its end")
        demand(set(scanned) == set(members), f"SSCAN and SMEMBERS differ: {scanned}, {members}")
        return dict.fromkeys(members, 0)


MODEL: Final = Sets()
