"""Streams with one consumer group (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.support.collections.model import ELEMENTS_MAX, Draw, Sides, Step, Words, demand, removal

_GROUP: Final = b"group"
_CONSUMER: Final = b"consumer"
# A group that is not there any more: the command in front, which made it, was not executed.
_NO_GROUP: Final = ("NOGROUP", "BUSYGROUP")


class Streams:
    """See `model.Model`.

    A side is a dict: `entries` are (number, value); `delivered` is the last number that the group
    was given, and `pending` what it has not acknowledged. A number n has the id 1-n.
    """

    name = "stream"

    def empty(self) -> dict[str, Any]:
        return {}

    def step(self, draw: Draw, sides: Sides) -> Step:
        side = draw.rng.randrange(2)
        if not sides[side]:
            return self._create(draw, side)
        kinds = ("add", "delete", "trim", "deliver", "acknowledge", "remove")
        weights = (3 if len(sides[side]["entries"]) > ELEMENTS_MAX else 12, 3, 2, 8, 6, 1)
        (kind,) = draw.rng.choices(kinds, weights)
        match kind:
            case "add":
                return self._add(draw, side)
            case "delete":
                return self._delete(draw, side, sides)
            case "trim":
                return self._trim(draw, side)
            case "deliver":
                return self._deliver(draw, side)
            case "acknowledge":
                return self._acknowledge(draw, side, sides)
            case _:
                return removal(draw, self, side)

    def _create(self, draw: Draw, side: int) -> Step:
        def effect(sides: Sides) -> bytes:
            sides[side] = {"entries": [], "delivered": 0, "pending": []}
            return b"OK"

        words = [b"XGROUP", b"CREATE", draw.keys[side], _GROUP, b"0", b"MKSTREAM"]
        return Step(words, effect, _NO_GROUP)

    def _add(self, draw: Draw, side: int) -> Step:
        value = draw.unique()
        number = _number_in(value)

        def effect(sides: Sides) -> bytes | None:
            if not sides[side]:
                return None
            sides[side]["entries"].append([number, value])
            return _id(number)

        words = [b"XADD", draw.keys[side], b"NOMKSTREAM", _id(number), b"field", value]
        return Step(words, effect)

    def _delete(self, draw: Draw, side: int, sides: Sides) -> Step:
        number = draw.rng.choice([*sides[side]["entries"], [0, b""]])[0]

        def effect(sides: Sides) -> int:
            entries = sides[side].get("entries", [])
            left = [entry for entry in entries if entry[0] != number]
            entries_before, entries[:] = len(entries), left
            return entries_before - len(left)

        return Step([b"XDEL", draw.keys[side], _id(number)], effect)

    def _trim(self, draw: Draw, side: int) -> Step:
        length = draw.rng.randint(0, ELEMENTS_MAX)

        def effect(sides: Sides) -> int:
            entries = sides[side].get("entries", [])
            removed = max(0, len(entries) - length)
            del entries[:removed]
            return removed

        return Step([b"XTRIM", draw.keys[side], b"MAXLEN", b"%d" % length], effect)

    def _deliver(self, draw: Draw, side: int) -> Step:
        count, key = draw.rng.randint(1, 10), draw.keys[side]

        def effect(sides: Sides) -> Any:
            stream = sides[side]
            if not stream:
                return None
            new = [entry for entry in stream["entries"] if entry[0] > stream["delivered"]][:count]
            if not new:
                return None
            stream["delivered"] = new[-1][0]
            stream["pending"] += [number for number, _ in new]
            return [[key, [[_id(number), [b"field", value]] for number, value in new]]]

        words = [b"XREADGROUP", b"GROUP", _GROUP, _CONSUMER, b"COUNT", b"%d" % count]
        return Step([*words, b"STREAMS", key, b">"], effect, _NO_GROUP)

    def _acknowledge(self, draw: Draw, side: int, sides: Sides) -> Step:
        pending = sides[side]["pending"]
        numbers = draw.rng.sample(pending, draw.rng.randint(0, len(pending))) or [0]

        def effect(sides: Sides) -> int:
            if not sides[side]:
                return 0
            before = sides[side]["pending"]
            sides[side]["pending"] = [number for number in before if number not in numbers]
            return len(before) - len(sides[side]["pending"])

        return Step([b"XACK", draw.keys[side], _GROUP, *map(_id, numbers)], effect)

    def questions(self, key: bytes) -> list[Words]:
        return [
            [b"EXISTS", key],
            [b"XRANGE", key, b"-", b"+"],
            [b"XLEN", key],
            [b"XREVRANGE", key, b"+", b"-"],
            [b"XINFO", b"GROUPS", key],
            [b"XPENDING", key, _GROUP],
            [b"XPENDING", key, _GROUP, b"-", b"+", b"10000"],
            [b"XINFO", b"CONSUMERS", key, _GROUP],
        ]

    def content(self, replies: Sequence[Any]) -> dict[str, Any]:
        exists, entries, count, backwards, groups, summary, listed, consumers = replies
        if not exists:
            return {}
        demand(len(entries) == count, f"XLEN says {count}, XRANGE: {entries}")
        demand(entries[::-1] == backwards, f"XREVRANGE is not XRANGE: {backwards}, {entries}")
        demand(len(groups) == 1, f"one group was made, XINFO tells of {groups}")
        group = dict(zip(groups[0][::2], groups[0][1::2], strict=True))
        pending = [_number(entry[0]) for entry in listed]
        demand(summary[0] == len(pending) == group[b"pending"], f"XPENDING: {summary}, {listed}")
        owned = sum(consumer[consumer.index(b"pending") + 1] for consumer in consumers)
        demand(owned == len(pending), f"the consumer has {owned} of {listed}")
        return {
            "entries": [[_number(entry[0]), entry[1][1]] for entry in entries],
            "delivered": _number(group[b"last-delivered-id"]),
            "pending": pending,
        }


def _id(number: int) -> bytes:
    return b"1-%d" % number


def _number(identifier: bytes) -> int:
    return int(identifier.partition(b"-")[2])


def _number_in(value: bytes) -> int:
    """The number that a value used only once ends with."""
    return int(value[-7:])


MODEL: Final = Streams()
