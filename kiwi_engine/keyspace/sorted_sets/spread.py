"""Sorted sets that are stored element by element (pure). Specified in formats/keys.md.

    score   "z" | version u64 | crc32c(member) u32 | member   ->  score f64
    order   "o" | version u64 | order key                     ->  (empty), "-" if the score is -0
    node    "n"                                               ->  see `keyspace.sorted_sets.ranks`

The two orders hold the same elements, and the nodes count them: a change that leaves one of them
out is a defect.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import copysign
from random import Random
from typing import Final

from kiwi_engine.checksum import crc32c_unchecked as crc32c
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import behind
from kiwi_engine.keyspace.sorted_sets.encoding import expecting, stored_score, with_member
from kiwi_engine.keyspace.sorted_sets.ranks import CountNodes
from kiwi_engine.keyspace.sorted_sets.score_order import (
    SCORE_BYTES,
    Interval,
    Range,
    ScoreRange,
    decode_score,
    encode_score,
    lex_interval,
    score_interval,
)
from kiwi_engine.keyspace.spread import element_scan
from kiwi_engine.keyspace.spread.element_scan import PAGES_END
from kiwi_engine.keyspace.spread.roots import Root
from kiwi_engine.keyspace.spread.versions import MEMBER_SCORES, SCORES, element_prefix

# A member and its score.
Element = tuple[bytes, float]

# Elements that are read at once; between two such readings anything may be written.
CHUNK: Final = 1000
# An offset is walked over up to this many elements, beyond it the nodes find the place.
WALKED_OFFSET_MAX: Final = 200
# From this size on it is worth two seeks to find out whether a range is the whole set.
DROPPED_WHOLE_MIN: Final = 1000

_PLACE: Final = struct.Struct(">9sI")
_SCORE: Final = struct.Struct(">d")
_PREFIX_BYTES: Final = 9
_HASHED_MEMBER_AT: Final = _PREFIX_BYTES + 4  # in a score key
_ORDERED_MEMBER_AT: Final = _PREFIX_BYTES + SCORE_BYTES  # in an order key
_NEGATIVE_ZERO: Final = b"-"
assert _PLACE.size == _HASHED_MEMBER_AT


class SpreadSortedSet:
    """A large sorted set: every question is a look-up or a short walk; `save` writes the root.

    What a method means is said in `packed.PackedSortedSet`.
    """

    __slots__ = ("_db", "_key", "_known_nodes", "_order_prefix", "_score_prefix", "_store", "root")

    def __init__(self, db: Database, key: bytes, root: Root) -> None:
        self._db = db
        self._key = key
        self._store = db.store
        self._score_prefix = element_prefix(MEMBER_SCORES, root.version)
        self._order_prefix = element_prefix(SCORES, root.version)
        self._known_nodes: CountNodes | None = None
        self.root = root

    @property
    def count(self) -> int:
        return self.root.count

    def score(self, member: bytes) -> float | None:
        stored = self._store.get(_PLACE.pack(self._score_prefix, crc32c(member)) + member)
        return None if stored is None else _SCORE.unpack(stored)[0]

    def scores(self, members: Sequence[bytes]) -> list[float | None]:
        self.prefetch(members)
        return list(map(self.score, members))

    def prefetch(self, members: Sequence[bytes]) -> None:
        if len(members) > 1:
            pack, prefix = _PLACE.pack, self._score_prefix
            self._store.prefetch([pack(prefix, crc32c(member)) + member for member in members])

    def expect(self, added_count: int) -> None:
        self.root.encoding = expecting(self.root.encoding, added_count, self._db.limits)

    def put(self, member: bytes, score: float, previous: float | None) -> None:
        store, root, nodes = self._store, self.root, self._nodes()
        if previous is None:
            root.encoding = with_member(root.encoding, root.count, member, self._db.limits)
        else:
            old_order_key = encode_score(previous) + member
            store.delete(self._order_prefix + old_order_key)
        score = stored_score(root.encoding, score)
        order_key = encode_score(score) + member
        store.put(_PLACE.pack(self._score_prefix, crc32c(member)) + member, _SCORE.pack(score))
        store.put(self._order_prefix + order_key, b"" if score else _sign_of_zero(score))
        if previous is None:
            root.count += 1
            nodes.add(order_key)
        else:
            nodes.move(old_order_key, order_key)

    def remove(self, member: bytes, score: float) -> None:
        nodes = self._nodes()
        order_key = encode_score(score) + member
        self._store.delete(_PLACE.pack(self._score_prefix, crc32c(member)) + member)
        self._store.delete(self._order_prefix + order_key)
        self.root.count -= 1
        nodes.remove(order_key)

    def rank(self, member: bytes, score: float) -> int:
        return self._nodes().rank(encode_score(score) + member)

    def index_range(self, wanted: Range) -> tuple[int, int]:
        if wanted.is_empty:
            return 0, 0
        interval, nodes = self._interval(wanted), self._nodes()
        begin = nodes.rank(interval.low)
        end = self.count if interval.high is None else nodes.rank(interval.high)
        return begin, max(begin, end)

    def between(self, begin: int, end: int, *, is_reverse: bool = False) -> Iterator[Element]:
        return self._walk(self._indexed(begin, end, is_reverse), max(0, end - begin), is_reverse)

    def within(
        self,
        wanted: Range,
        offset: int = 0,
        count: int | None = None,
        *,
        is_reverse: bool = False,
    ) -> Iterator[Element]:
        if wanted.is_empty:
            return iter(())
        if offset <= WALKED_OFFSET_MAX:
            limit = None if count is None else offset + count
            return islice(self._walk(self._interval(wanted), limit, is_reverse), offset, None)
        begin, end = part_of(*self.index_range(wanted), offset, count, is_reverse)
        return self.between(begin, end, is_reverse=is_reverse)

    def remove_between(self, begin: int, end: int) -> int:
        count = max(0, end - begin)
        if count == self.count:
            return self._remove_all()
        return self._remove(self._indexed(begin, end, is_reverse=False), count)

    def remove_within(self, wanted: Range) -> int:
        if wanted.is_empty:
            return 0
        interval = self._interval(wanted)
        if self.count >= DROPPED_WHOLE_MIN and self._is_whole(interval):
            return self._remove_all()
        return self._remove(interval, self.count)

    def pop(self, count: int, *, is_last: bool) -> list[Element]:
        popped = list(self._walk(Interval(), count, is_last))
        if len(popped) == self.count:
            self._remove_all()
            return popped
        for member, score in popped:
            self.remove(member, score)
        return popped

    def by_hash(self) -> Iterator[tuple[bytes, float]]:
        cursor, is_done = 0, False
        while not is_done:
            page = element_scan.page(self._store, self._score_prefix, cursor, CHUNK)
            for key, stored in page.rows:
                yield key[_PREFIX_BYTES:], _SCORE.unpack(stored)[0]
            cursor = page.cursor
            is_done = cursor == PAGES_END

    def pick(self, random: Random) -> Element:
        key = element_scan.pick(self._store, self._score_prefix, self.count, random)
        return self._elements([key])[0]

    def sample(self, count: int, random: Random) -> list[Element]:
        store, prefix = self._store, self._score_prefix
        return self._elements(element_scan.sample(store, prefix, self.count, count, random))

    def sample_repeating(self, count: int, random: Random) -> list[Element]:
        store, prefix, total = self._store, self._score_prefix, self.count
        return self._elements(element_scan.sample_repeating(store, prefix, total, count, random))

    def scan(self, cursor: int, page_count: int) -> tuple[int, list[Element]]:
        page = element_scan.page(self._store, self._score_prefix, cursor, page_count)
        return page.cursor, [
            (key[_HASHED_MEMBER_AT:], _SCORE.unpack(stored)[0]) for key, stored in page.rows
        ]

    def save(self) -> None:
        if self.root.count:
            self._db.save(self._key, self.root)
        else:
            self._db.drop(self._key, self.root)

    def _nodes(self) -> CountNodes:
        """Before anything is changed, because the nodes are compared with the count in the root."""
        if self._known_nodes is None:
            self._known_nodes = self._db.ranks.nodes(self.root.version, self.root.count)
        return self._known_nodes

    def _interval(self, wanted: Range) -> Interval:
        if isinstance(wanted, ScoreRange):
            return score_interval(wanted)
        return lex_interval(
            wanted, decode_score(self._end_key()), decode_score(self._end_key(is_last=True))
        )

    def _end_key(self, is_last: bool = False) -> bytes:
        """The order key of the first element, or of the last one."""
        key, _ = next(self._rows(Interval(), 1, is_last))
        return key[_PREFIX_BYTES:]

    def _is_whole(self, interval: Interval) -> bool:
        """Whether an interval has all elements in it."""
        if self._end_key() < interval.low:
            return False
        return interval.high is None or self._end_key(is_last=True) < interval.high

    def _indexed(self, begin: int, end: int, is_reverse: bool) -> Interval:
        """Where a walk over the elements with the indexes [begin, end) begins."""
        if begin >= end:
            return Interval()
        if is_reverse:
            return Interval(high=None if end == self.count else self._nodes().order_key_at(end))
        return Interval(low=self._nodes().order_key_at(begin) if begin else b"")

    def _walk(
        self, interval: Interval, limit: int | None = None, is_reverse: bool = False
    ) -> Iterator[Element]:
        for key, sign in self._rows(interval, limit, is_reverse):
            score = -0.0 if sign else decode_score(key[_PREFIX_BYTES:])
            yield key[_ORDERED_MEMBER_AT:], score

    def _rows(
        self, interval: Interval, limit: int | None, is_reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """Stored keys and values of the order, some at a time: no iterator is left open."""
        left = self.count if limit is None else limit
        begin, end = self._bounds(interval)
        is_first_page = True
        while left > 0:
            size = min(left, CHUNK)
            rows = list(islice(self._store.range(begin, end, reverse=is_reverse), size))
            if is_first_page and rows:
                self._learn(interval, rows[0][0][_PREFIX_BYTES:], is_reverse)
                is_first_page = False
            yield from rows
            if len(rows) < size:
                return
            left -= size
            if is_reverse:
                end = rows[-1][0]
            else:
                begin = rows[-1][0] + b"\0"

    def _bounds(self, interval: Interval) -> tuple[bytes, bytes]:
        """Between which stored keys the elements of an interval lie."""
        nodes = self._db.ranks.known(self.root.version)
        if nodes is not None:
            return nodes.clip(*interval)
        prefix, high = self._order_prefix, interval.high
        return prefix + interval.low, behind(prefix) if high is None else prefix + high

    def _learn(self, interval: Interval, found: bytes, is_reverse: bool) -> None:
        """A walk found this element first: if it came from an end of the set, that is the end."""
        nodes = self._db.ranks.known(self.root.version)
        if nodes is None:
            return
        if not is_reverse:
            if interval.low <= nodes.first:
                nodes.first = found
        elif interval.high is None or (nodes.end is not None and interval.high >= nodes.end):
            nodes.end = found + b"\0"

    def _remove(self, interval: Interval, limit: int) -> int:
        """Remove the first `limit` elements of an interval; how many it were."""
        nodes, store, pack = self._nodes(), self._store, _PLACE.pack
        removed = 0
        for key, _ in self._rows(interval, limit, is_reverse=False):
            member = key[_ORDERED_MEMBER_AT:]
            store.delete(pack(self._score_prefix, crc32c(member)) + member)
            store.delete(key)
            nodes.remove(key[_PREFIX_BYTES:])
            removed += 1
        self.root.count -= removed
        return removed

    def _remove_all(self) -> int:
        """The key goes with `save`, and the elements in the background."""
        count, self.root.count = self.root.count, 0
        return count

    def _elements(self, keys: Sequence[bytes]) -> list[Element]:
        """The elements with these score keys, which exist."""
        members = [key[_HASHED_MEMBER_AT:] for key in keys]
        scores = self.scores(members)
        return [
            (member, score)
            for member, score in zip(members, scores, strict=True)
            if score is not None
        ]


def part_of(
    begin: int, end: int, offset: int, count: int | None, is_reverse: bool
) -> tuple[int, int]:
    """Of the indexes [begin, end), walked over in order or in reverse, `count` behind `offset`."""
    if is_reverse:
        end = max(begin, end - offset)
        return begin if count is None else max(begin, end - count), end
    begin = min(end, begin + offset)
    return begin, end if count is None else min(end, begin + count)


def fill_spread(db: Database, root: Root, elements: Iterable[Element]) -> None:
    """Write the elements of a new version, which come in any order, and count them in `root`."""
    store, version = db.store, root.version
    score_prefix = element_prefix(MEMBER_SCORES, version)
    order_prefix = element_prefix(SCORES, version)
    for member, score in elements:
        store.put(_PLACE.pack(score_prefix, crc32c(member)) + member, _SCORE.pack(score))
        sign = b"" if score else _sign_of_zero(score)
        store.put(order_prefix + encode_score(score) + member, sign)
        root.count += 1
    rows = store.range(order_prefix, behind(order_prefix))
    db.ranks.new(version).fill((key[_PREFIX_BYTES:] for key, _ in rows), root.count)


def _sign_of_zero(score: float) -> bytes:
    return _NEGATIVE_ZERO if copysign(1.0, score) < 0 else b""
