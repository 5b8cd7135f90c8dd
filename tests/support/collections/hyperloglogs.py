"""HyperLogLogs (pure).

What PFADD makes of one is taken from the code itself, which is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kiwi_engine.keyspace.hyperloglog import sketch as hyperloglog
from kiwi_engine.keyspace.limits import Limits
from tests.support.collections.model import Draw, Sides, Step, Words, copy, removal


class HyperLogLogs:
    """See `model.Model`. A side is the whole value, with the estimate that it caches."""

    name = "hyperloglog"

    def empty(self) -> bytes:
        return b""

    def step(self, draw: Draw, sides: Sides) -> Step:
        side = draw.rng.randrange(2)
        kind = draw.rng.choices(("add", "copy", "remove"), (20, 1, 1))[0]
        match kind:
            case "add":
                return self._add(draw, side)
            case "copy":
                return copy(draw)
            case _:
                return removal(draw, self, side)

    def _add(self, draw: Draw, side: int) -> Step:
        elements = [draw.unique() for _ in range(draw.rng.randint(1, 3))]

        def effect(sides: Sides) -> int:
            before = sides[side] or hyperloglog.empty()
            after = hyperloglog.add(before, elements, Limits().hll_sparse_max_bytes)
            is_changed = after is not None or not sides[side]
            sides[side] = after or before
            return int(is_changed)

        return Step([b"PFADD", draw.keys[side], *elements], effect)

    def questions(self, key: bytes) -> list[Words]:
        return [[b"GET", key]]

    def content(self, replies: Sequence[Any]) -> bytes:
        return replies[0] or b""


MODEL: Final = HyperLogLogs()
