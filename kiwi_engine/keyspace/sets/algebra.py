"""Intersections, unions and differences of sets that may not fit into memory (pure).

The members of all spread sets come in one order, that of `spread.order_of`, so two of them are
compared by walking along both. Where one is much smaller, its members are looked up in the other
instead. Nothing is held but the look-ups of one chunk; results are streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import compress, islice
from typing import Final

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import SET_KIND
from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.numerals.integers import to_integer
from kiwi_engine.keyspace.sets.opening import AnySet
from kiwi_engine.keyspace.sets.packed import PackedSet
from kiwi_engine.keyspace.sets.spread import SpreadSet
from kiwi_engine.keyspace.spread.roots import HASHTABLE, INTSET, LISTPACK, Root

# Looking up a member costs about as much as walking over so many.
LOOK_UP_COST: Final = 4
CHUNK: Final = 1000
# Results up to this size are put together member by member, for the order and the encoding that
# Redis gives them.
SMALL_RESULT: Final = 1024


def intersection(sets: Sequence[AnySet]) -> Iterator[bytes]:
    """The members that all of `sets` have, in the order of the smallest one."""
    smallest, *others = sorted(sets, key=lambda each: each.count)
    return _filtered(smallest, others, keep_common=True)


def difference(first: AnySet, others: Sequence[AnySet]) -> Iterator[bytes]:
    """The members of `first` that none of `others` has, in its order."""
    return _filtered(first, others, keep_common=False)


def union(sets: Sequence[AnySet]) -> Iterator[bytes]:
    """The members that any of `sets` has, each once; in order of age if all are packed."""
    if all(isinstance(each, PackedSet) for each in sets):
        return iter(dict.fromkeys(member for each in sets for member in each.in_reply_order()))
    return _distinct(merge(*(each.places() for each in sets)))


def _filtered(first: AnySet, others: Sequence[AnySet], keep_common: bool) -> Iterator[bytes]:
    if isinstance(first, PackedSet):
        members: Iterator[bytes] = iter(first.in_reply_order())
        for other in others:
            members = _looked_up(members, other, keep_common)
        return members
    places = first.places()
    for other in others:
        if isinstance(other, SpreadSet) and not _look_up_is_cheaper(first.count, other.count):
            places = _walked(places, other.places(), keep_common)
        else:
            places = _places_looked_up(places, other, keep_common)
    return (place[4:] for place in places)


def _look_up_is_cheaper(count: int, other_count: int) -> bool:
    return count * LOOK_UP_COST < other_count


def _looked_up(members: Iterable[bytes], other: AnySet, keep_common: bool) -> Iterator[bytes]:
    """Those of `members` that are in `other`, or that are not."""
    members = iter(members)
    while chunk := list(islice(members, CHUNK)):
        flags = other.contains_each(chunk)
        yield from compress(chunk, (flag == keep_common for flag in flags))


def _places_looked_up(places: Iterable[bytes], other: AnySet, keep_common: bool) -> Iterator[bytes]:
    places = iter(places)
    while chunk := list(islice(places, CHUNK)):
        flags = other.contains_each([place[4:] for place in chunk])
        yield from compress(chunk, (flag == keep_common for flag in flags))


def _walked(places: Iterator[bytes], other: Iterator[bytes], keep_common: bool) -> Iterator[bytes]:
    """Those of `places` that are in `other`, or that are not; both are sorted."""
    theirs = next(other, None)
    for place in places:
        while theirs is not None and theirs < place:
            theirs = next(other, None)
        if (theirs == place) == keep_common:
            yield place


def _distinct(places: Iterable[bytes]) -> Iterator[bytes]:
    last = None
    for place in places:
        if place != last:
            yield place[4:]
        last = place


def stored_result(
    db: Database, members: Sequence[bytes], first_encoding: int
) -> tuple[Sequence[bytes], int]:
    """The order and encoding that Redis gives to a stored result, `first_encoding` when empty.

    Source: `sinterGenericCommand`, `sunionDiffGenericCommand` of Redis 7.2. A result that is a
    listpack of integers in the end becomes an intset.
    """
    if len(members) > SMALL_RESULT:
        return members, _encoding_of(members, db.limits)
    result = PackedSet(db, b"", Root(SET_KIND, first_encoding), ())
    result.add_all(members)
    if result.root.encoding == LISTPACK and _is_intset(members, db.limits):
        return sorted(members, key=int), INTSET
    return result.in_reply_order(), result.root.encoding


def _encoding_of(members: Sequence[bytes], limits: Limits) -> int:
    if _is_intset(members, limits):
        return INTSET
    is_short = len(members) <= limits.set_max_listpack_entries
    return LISTPACK if is_short and _are_small(members, limits) else HASHTABLE


def _is_intset(members: Sequence[bytes], limits: Limits) -> bool:
    is_short = len(members) <= limits.set_max_intset_entries
    return is_short and all(to_integer(member) is not None for member in members)


def _are_small(members: Sequence[bytes], limits: Limits) -> bool:
    return max(map(len, members)) <= limits.set_max_listpack_value
