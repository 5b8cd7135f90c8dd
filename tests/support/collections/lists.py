"""Lists: elements are pushed, popped and moved; none may be lost on the way (pure)."""

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


class Lists:
    """See `model.Model`."""

    name = "list"

    def empty(self) -> list[bytes]:
        return []

    def step(self, draw: Draw, sides: Sides) -> Step:
        side = draw.rng.randrange(2)
        kinds = ("push", "pop", "move", "insert", "remove elements", "trim", "copy", "remove")
        weights = (2 if len(sides[side]) > ELEMENTS_MAX else 10, 5, 10, 3, 2, 1, 1, 1)
        (kind,) = draw.rng.choices(kinds, weights)
        match kind:
            case "push":
                return self._push(draw, side)
            case "pop":
                return self._pop(draw, side)
            case "move":
                return self._move(draw, side)
            case "insert":
                return self._insert(draw, side, sides)
            case "remove elements":
                return self._remove(draw, side, sides)
            case "trim":
                return self._trim(draw, side)
            case "copy":
                return copy(draw)
            case _:
                return removal(draw, self, side)

    def _push(self, draw: Draw, side: int) -> Step:
        values = [draw.unique() for _ in range(draw.rng.randint(1, 8))]
        at_left = draw.rng.random() < 0.5

        def effect(sides: Sides) -> int:
            sides[side][:] = values[::-1] + sides[side] if at_left else sides[side] + values
            return len(sides[side])

        return Step([b"LPUSH" if at_left else b"RPUSH", draw.keys[side], *values], effect)

    def _pop(self, draw: Draw, side: int) -> Step:
        count, at_left = draw.rng.randint(1, 12), draw.rng.random() < 0.5

        def effect(sides: Sides) -> list[bytes] | None:
            values = sides[side]
            if not values:
                return None
            popped: list[bytes] = values[:count] if at_left else values[::-1][:count]
            sides[side] = values[count:] if at_left else values[: max(0, len(values) - count)]
            return popped

        words = [b"LPOP" if at_left else b"RPOP", draw.keys[side], b"%d" % count]
        return Step(words, effect)

    def _move(self, draw: Draw, side: int) -> Step:
        other = 1 - side
        from_left, to_left = (draw.rng.random() < 0.5 for _ in range(2))

        def effect(sides: Sides) -> bytes | None:
            if not sides[side]:
                return None
            value: bytes = sides[side].pop(0 if from_left else -1)
            sides[other].insert(0 if to_left else len(sides[other]), value)
            return value

        ends = [b"LEFT" if is_left else b"RIGHT" for is_left in (from_left, to_left)]
        return Step([b"LMOVE", draw.keys[side], draw.keys[other], *ends], effect)

    def _insert(self, draw: Draw, side: int, sides: Sides) -> Step:
        pivot = draw.rng.choice([*sides[side], b"nothing"])
        value, is_before = draw.unique(), draw.rng.random() < 0.5

        def effect(sides: Sides) -> int:
            if pivot not in sides[side]:
                return -1 if sides[side] else 0
            at = sides[side].index(pivot)
            sides[side].insert(at if is_before else at + 1, value)
            return len(sides[side])

        where = b"BEFORE" if is_before else b"AFTER"
        return Step([b"LINSERT", draw.keys[side], where, pivot, value], effect)

    def _remove(self, draw: Draw, side: int, sides: Sides) -> Step:
        value = draw.rng.choice([*sides[side], b"nothing"])

        def effect(sides: Sides) -> int:
            before = len(sides[side])
            sides[side] = [each for each in sides[side] if each != value]
            return before - len(sides[side])

        return Step([b"LREM", draw.keys[side], b"0", value], effect)

    def _trim(self, draw: Draw, side: int) -> Step:
        first, last = draw.rng.randint(0, 5), draw.rng.randint(5, ELEMENTS_MAX)

        def effect(sides: Sides) -> bytes:
            sides[side] = sides[side][first : last + 1]
            return b"OK"

        return Step([b"LTRIM", draw.keys[side], b"%d" % first, b"%d" % last], effect)

    def questions(self, key: bytes) -> list[Words]:
        ends = [[b"LINDEX", key, end] for end in (b"0", b"-1")]
        return [[b"LRANGE", key, b"0", b"-1"], [b"LLEN", key], *ends]

    def content(self, replies: Sequence[Any]) -> list[bytes]:
        values, count, first, last = replies
        demand(len(values) == count, f"LLEN says {count}, LRANGE: {values}")
        ends = (values[0], values[-1]) if values else (None, None)
        demand((first, last) == ends, f"LINDEX finds {first!r} and {last!r} in {values}")
        return list(values)


MODEL: Final = Lists()
