"""Searching a sorted set of positions (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from kiwi_engine.keyspace.geo.geohash import Position, Shape, areas, contains, decode
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet
from kiwi_engine.keyspace.sorted_sets.score_order import ScoreRange


class Found(NamedTuple):
    """A member inside of the shape; `metres` is its distance from the centre."""

    member: bytes
    score: float
    position: Position
    metres: float


def search(elements: AnySortedSet, shape: Shape, limit: int | None = None) -> list[Found]:
    """The members inside of `shape`, any `limit` of them if there are more.

    They come area by area, and by their scores inside of each: that is Redis' order, too.
    """
    return list(islice(_search(elements, shape), limit))


def _search(elements: AnySortedSet, shape: Shape) -> Iterator[Found]:
    for low, end in areas(shape):
        for member, score in elements.within(ScoreRange(float(low), float(end), False, True)):
            position = decode(score)
            metres = contains(shape, position)
            if metres is not None:
                yield Found(member, score, position, metres)
