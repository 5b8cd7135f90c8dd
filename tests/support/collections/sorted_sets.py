"""Sorted sets: both of their orders must always agree (pure)."""

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


class SortedSets:
    """See `model.Model`. Scores are integers, so that they are told as they are."""

    name = "zset"

    def empty(self) -> dict[bytes, int]:
        return {}

    def step(self, draw: Draw, sides: Sides) -> Step:
        side = draw.rng.randrange(2)
        kinds = ("add", "remove members", "increase", "pop", "unite", "copy", "remove")
        weights = (3 if len(sides[side]) > ELEMENTS_MAX else 12, 4, 4, 4, 1, 1, 1)
        (kind,) = draw.rng.choices(kinds, weights)
        match kind:
            case "add":
                return self._add(draw, side)
            case "remove members":
                return self._remove(draw, side)
            case "increase":
                return self._increase(draw, side)
            case "pop":
                return self._pop(draw, side)
            case "unite":
                return self._unite(draw)
            case "copy":
                return copy(draw)
            case _:
                return removal(draw, self, side)

    def _add(self, draw: Draw, side: int) -> Step:
        scores = {member: draw.rng.randint(-50, 50) for member in draw.names(b"m", 8)}

        def effect(sides: Sides) -> int:
            before = len(sides[side])
            sides[side].update(scores)
            return len(sides[side]) - before

        flat = [word for member, score in scores.items() for word in (b"%d" % score, member)]
        return Step([b"ZADD", draw.keys[side], *flat], effect)

    def _remove(self, draw: Draw, side: int) -> Step:
        members = draw.names(b"m", 15)

        def effect(sides: Sides) -> int:
            return sum(sides[side].pop(member, None) is not None for member in members)

        return Step([b"ZREM", draw.keys[side], *members], effect)

    def _increase(self, draw: Draw, side: int) -> Step:
        (member,), amount = draw.names(b"m", 1), draw.rng.randint(-20, 20)

        def effect(sides: Sides) -> bytes:
            score = sides[side][member] = sides[side].get(member, 0) + amount
            return b"%d" % score

        return Step([b"ZINCRBY", draw.keys[side], b"%d" % amount, member], effect)

    def _pop(self, draw: Draw, side: int) -> Step:
        count = draw.rng.randint(1, 10)

        def effect(sides: Sides) -> list[bytes]:
            first = _in_order(sides[side])[:count]
            for member, _ in first:
                del sides[side][member]
            return [word for member, score in first for word in (member, b"%d" % score)]

        return Step([b"ZPOPMIN", draw.keys[side], b"%d" % count], effect)

    def _unite(self, draw: Draw) -> Step:
        def effect(sides: Sides) -> int:
            left, right = sides
            sides[RIGHT] = {
                member: max(one[member] for one in (left, right) if member in one)
                for member in left.keys() | right.keys()
            }
            return len(sides[RIGHT])

        left, right = draw.keys[LEFT], draw.keys[RIGHT]
        words = [b"ZUNIONSTORE", right, b"2", left, right, b"AGGREGATE", b"MAX"]
        return Step(words, effect)

    def questions(self, key: bytes) -> list[Words]:
        names = [b"m%d" % number for number in range(2 * ELEMENTS_MAX)]
        return [
            [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
            [b"ZRANGEBYSCORE", key, b"-inf", b"+inf", b"WITHSCORES"],
            [b"ZCARD", key],
            [b"ZCOUNT", key, b"-inf", b"+inf"],
            [b"ZSCAN", key, b"0", b"COUNT", b"10000"],
            [b"ZMSCORE", key, *names],
            *([b"ZRANK", key, name] for name in names),
        ]

    def content(self, replies: Sequence[Any]) -> dict[bytes, int]:
        by_rank, by_score, count, counted, (cursor, scanned), scores, *ranks = replies
        members = {m: int(s) for m, s in zip(by_rank[::2], by_rank[1::2], strict=True)}
        ordered = _in_order(members)
        flat = [word for member, score in ordered for word in (member, b"%d" % score)]
        demand(by_rank == flat == by_score, f"not in order: {by_rank} and {by_score}")
        demand(len(members) == count == counted, f"ZCARD {count}, ZCOUNT {counted}: {by_rank}")
        found = {m: int(s) for m, s in zip(scanned[::2], scanned[1::2], strict=True)}
        demand(cursor == b"0" and found == members, f"ZSCAN and ZRANGE differ: {scanned}")
        names = [b"m%d" % number for number in range(2 * ELEMENTS_MAX)]
        by_member = {m: int(s) for m, s in zip(names, scores, strict=True) if s is not None}
        demand(by_member == members, f"ZSCORE and ZRANGE differ: {by_member} and {members}")
        ranked = {m: rank for m, rank in zip(names, ranks, strict=True) if rank is not None}
        expected = {member: rank for rank, (member, _) in enumerate(ordered)}
        demand(ranked == expected, f"ZRANK and ZRANGE differ: {ranked} and {expected}")
        return members


def _in_order(members: dict[bytes, int]) -> list[tuple[bytes, int]]:
    return sorted(members.items(), key=lambda pair: (pair[1], pair[0]))


MODEL: Final = SortedSets()
