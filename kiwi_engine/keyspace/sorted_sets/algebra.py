"""Unions, intersections and differences of sorted sets and sets (pure).

Inputs may be larger than memory: results are streams, which hold no more than a chunk of each
input and no iterator of the store. Where scores are added the order of the inputs matters, because
a sum of doubles depends on it; it is that of their sizes, as in Redis. Source:
`zunionInterDiffGenericCommand` of Redis 7.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from math import isnan
from operator import itemgetter
from typing import Final, NamedTuple

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import SET_KIND, kind_of
from kiwi_engine.keyspace.sets.opening import AnySet, open_set
from kiwi_engine.keyspace.sets.packed import PackedSet
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet, open_sorted_set
from kiwi_engine.keyspace.sorted_sets.spread import CHUNK, Element
from kiwi_engine.keyspace.spread import element_scan
from kiwi_engine.keyspace.spread.element_scan import PAGES_END
from kiwi_engine.keyspace.spread.versions import MEMBERS, element_prefix

# What each member of a set counts.
SET_SCORE: Final = 1.0
_HASH_BYTES: Final = 4

# The score so far, that of one more input -> the new score.
Aggregate = Callable[[float, float], float]
# The place of a member (`sets.spread.order_of`) and its score.
_Placed = tuple[bytes, float]


class PlainSet:
    """A set as an input: what `AnySortedSet` offers to the functions here."""

    def __init__(self, db: Database, members: AnySet) -> None:
        self._store = db.store
        self._members = members

    @property
    def count(self) -> int:
        return self._members.count

    def scores(self, members: Sequence[bytes]) -> list[float | None]:
        flags = self._members.contains_each(members)
        return [SET_SCORE if flag else None for flag in flags]

    def by_hash(self) -> Iterator[_Placed]:
        if isinstance(self._members, PackedSet):
            for place in self._members.places():
                yield place, SET_SCORE
            return
        prefix = element_prefix(MEMBERS, self._members.root.version)
        cursor, is_done = 0, False
        while not is_done:
            page = element_scan.page(self._store, prefix, cursor, CHUNK)
            for key, _ in page.rows:
                yield key[len(prefix) :], SET_SCORE
            cursor = page.cursor
            is_done = cursor == PAGES_END


class Input(NamedTuple):
    """One operand; `weight` is what its scores are multiplied by."""

    elements: AnySortedSet | PlainSet
    weight: float = 1.0

    @property
    def size(self) -> int:
        return self.elements.count


def open_operand(db: Database, key: bytes, now_ms: int) -> AnySortedSet | PlainSet | None:
    """The sorted set or set at `key`; `WrongTypeError` where something else lives."""
    head = db.head(key, now_ms)
    if head is None or kind_of(head) != SET_KIND:
        return open_sorted_set(db, key, now_ms)
    members = open_set(db, key, now_ms)
    return None if members is None else PlainSet(db, members)


def total(score: float, other: float) -> float:
    """The sum; 0 for that of opposite infinities."""
    result = score + other
    return 0.0 if isnan(result) else result


def lower(score: float, other: float) -> float:
    """The lower one; `score` where `other` is NaN."""
    return min(score, other)


def higher(score: float, other: float) -> float:
    """The higher one; `score` where `other` is NaN."""
    return max(score, other)


def union(inputs: Sequence[Input], aggregate: Aggregate) -> Iterator[Element]:
    """The elements of any input, with their scores put together."""
    ordered = sorted(inputs, key=lambda each: each.size)
    streams = [_numbered(number, each) for number, each in enumerate(ordered)]
    for place, rows in groupby(merge(*streams), key=itemgetter(0)):
        scores = [score for _, _, score in rows]
        result = scores[0]
        for score in scores[1:]:
            result = aggregate(result, score)
        yield place[_HASH_BYTES:], result


def _numbered(number: int, source: Input) -> Iterator[tuple[bytes, int, float]]:
    """(place, number, weighted score): where places are equal the number decides."""
    weight = source.weight
    for place, score in source.elements.by_hash():
        yield place, number, _weighted(score, weight)


def intersection(inputs: Sequence[Input], aggregate: Aggregate) -> Iterator[Element]:
    """The elements that all inputs have: those of the smallest are looked up in the others."""
    smallest, *others = sorted(inputs, key=lambda each: each.size)
    for chunk in _chunks(smallest.elements):
        kept = [(member, _weighted(score, smallest.weight)) for member, score in chunk]
        for other in others:
            scores = other.elements.scores([member for member, _ in kept])
            # NaN is left to `aggregate` here, as in Redis.
            kept = [
                (member, aggregate(score, found * other.weight))
                for (member, score), found in zip(kept, scores, strict=True)
                if found is not None
            ]
        yield from kept


def difference(first: Input, others: Sequence[Input]) -> Iterator[Element]:
    """The elements of `first` that no other input has."""
    for chunk in _chunks(first.elements):
        kept = chunk
        for other in others:
            scores = other.elements.scores([member for member, _ in kept])
            pairs = zip(kept, scores, strict=True)
            kept = [element for element, found in pairs if found is None]
        yield from kept


def _weighted(score: float, weight: float) -> float:
    product = score * weight
    return 0.0 if isnan(product) else product


def _chunks(elements: AnySortedSet | PlainSet) -> Iterator[list[Element]]:
    stream = elements.by_hash()
    while chunk := list(islice(stream, CHUNK)):
        yield [(place[_HASH_BYTES:], score) for place, score in chunk]
