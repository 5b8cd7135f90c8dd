"""Sorted sets that are stored as a whole (pure). Specified in formats/keys.md.

root   encoding u8 | MessagePack map from member to score, in the order of the set
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

import msgspec

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.sets.spread import order_of
from kiwi_engine.keyspace.sorted_sets.encoding import expecting, stored_score, with_member
from kiwi_engine.keyspace.sorted_sets.score_order import Range, ScoreRange
from kiwi_engine.keyspace.sorted_sets.spread import Element, fill_spread, part_of
from kiwi_engine.keyspace.spread.element_scan import PAGES_END
from kiwi_engine.keyspace.spread.roots import Root

decode_scores: Final = msgspec.msgpack.Decoder(dict[bytes, float]).decode
encode_scores: Final = msgspec.msgpack.Encoder().encode


def by_score(element: Element) -> tuple[float, bytes]:
    """What elements are ordered by."""
    return element[1], element[0]


class PackedSortedSet:
    """A small sorted set: decoded once, changed in memory, written as a whole by `save`."""

    __slots__ = ("_db", "_is_sorted", "_key", "_scores", "root")

    def __init__(self, db: Database, key: bytes, root: Root, scores: dict[bytes, float]) -> None:
        """`scores` are in the order of the set."""
        self._db = db
        self._key = key
        self.root = root
        self._scores = scores
        self._is_sorted = True

    @property
    def count(self) -> int:
        return len(self._scores)

    def score(self, member: bytes) -> float | None:
        """The score of a member, None if there is no such member."""
        return self._scores.get(member)

    def scores(self, members: Sequence[bytes]) -> list[float | None]:
        """The score of each, None for those that are no members."""
        return list(map(self._scores.get, members))

    def prefetch(self, members: Sequence[bytes]) -> None:
        """Bring the scores of several into memory with one batched read; a hint."""

    def expect(self, added_count: int) -> None:
        """A command is about to add up to so many members: what Redis changes beforehand."""
        self.root.encoding = expecting(self.root.encoding, added_count, self._db.limits)

    def put(self, member: bytes, score: float, previous: float | None) -> None:
        """Give `member` a score; `previous` is what `score` said of it."""
        root = self.root
        if previous is None:
            limits = self._db.limits
            root.encoding = with_member(root.encoding, len(self._scores), member, limits)
        self._scores[member] = stored_score(root.encoding, score)
        self._is_sorted = False

    def remove(self, member: bytes, score: float) -> None:
        """Remove a member, whose score this is."""
        del self._scores[member]

    def rank(self, member: bytes, score: float) -> int:
        """The index of a member, whose score this is."""
        return list(self._ordered()).index(member)

    def index_range(self, wanted: Range) -> tuple[int, int]:
        """The indexes [begin, end) of the elements in a range."""
        elements = list(self._ordered().items())
        if wanted.is_empty or not elements:
            return 0, 0
        if isinstance(wanted, ScoreRange):
            scores = [score for _, score in elements]
            begin = _position(scores, wanted.low, behind=wanted.is_low_open)
            return begin, max(begin, _position(scores, wanted.high, behind=not wanted.is_high_open))
        begin, end = 0, len(elements)
        if wanted.low is not None:
            low = (elements[0][1], wanted.low + b"\0" * wanted.is_low_open)
            begin = bisect_left(elements, low, key=by_score)
        if wanted.high is not None:
            high = (elements[-1][1], wanted.high + b"\0" * (not wanted.is_high_open))
            end = bisect_left(elements, high, key=by_score)
        return begin, max(begin, end)

    def between(self, begin: int, end: int, *, is_reverse: bool = False) -> Iterator[Element]:
        """The elements with the indexes [begin, end), from the last one on if `is_reverse`."""
        elements = list(self._ordered().items())[begin:end]
        return reversed(elements) if is_reverse else iter(elements)

    def within(
        self,
        wanted: Range,
        offset: int = 0,
        count: int | None = None,
        *,
        is_reverse: bool = False,
    ) -> Iterator[Element]:
        """The elements in a range, without the first `offset` of them; `count` at most."""
        begin, end = part_of(*self.index_range(wanted), offset, count, is_reverse)
        return self.between(begin, end, is_reverse=is_reverse)

    def remove_between(self, begin: int, end: int) -> int:
        """Remove the elements with the indexes [begin, end); how many it were."""
        members = list(self._ordered())[begin:end]
        for member in members:
            del self._scores[member]
        return len(members)

    def remove_within(self, wanted: Range) -> int:
        """Remove the elements in a range; how many it were."""
        return self.remove_between(*self.index_range(wanted))

    def pop(self, count: int, *, is_last: bool) -> list[Element]:
        """Remove and return the first elements, or the last ones, beginning at that end."""
        total = self.count
        begin, end = (max(0, total - count), total) if is_last else (0, min(count, total))
        popped = list(self.between(begin, end, is_reverse=is_last))
        self.remove_between(begin, end)
        return popped

    def by_hash(self) -> Iterator[tuple[bytes, float]]:
        """(`sets.spread.order_of` the member, score) of all elements, sorted."""
        return iter(sorted((order_of(member), score) for member, score in self._scores.items()))

    def pick(self, random: Random) -> Element:
        """Any element, each with the same chance."""
        return random.choice(list(self._scores.items()))

    def sample(self, count: int, random: Random) -> list[Element]:
        """`count` different elements, fewer than there are."""
        return random.sample(list(self._scores.items()), count)

    def sample_repeating(self, count: int, random: Random) -> list[Element]:
        """`count` elements, each picked from all of them."""
        return random.choices(list(self._scores.items()), k=count)

    def scan(self, cursor: int, page_count: int) -> tuple[int, list[Element]]:
        """All elements, as Redis does with small ones."""
        return PAGES_END, list(self._ordered().items())

    def save(self) -> None:
        """Write the set; without elements the key goes. A large one becomes spread."""
        db, root = self._db, self.root
        if not self._scores:
            db.drop(self._key, root)
            return
        scores = self._ordered()
        root.body = encode_scores(scores)
        if not is_packed(db.limits, len(scores), len(root.body)):
            db.spread(self._key, root)
            fill_spread(db, root, scores.items())
        db.save(self._key, root)

    def _ordered(self) -> dict[bytes, float]:
        if not self._is_sorted:
            # Pairs that begin with the score need no key function: half the time of a small ZADD.
            pairs = sorted(zip(self._scores.values(), self._scores, strict=True))
            self._scores = {member: score for score, member in pairs}
            self._is_sorted = True
        return self._scores


def is_packed(limits: Limits, count: int, body_bytes: int) -> bool:
    """Whether a sorted set of this size is stored as a whole."""
    return count <= limits.packed_max_entries and body_bytes <= limits.packed_max_bytes


def _position(scores: list[float], score: float, *, behind: bool) -> int:
    """Before or behind all of the sorted `scores` that equal `score`."""
    return bisect_right(scores, score) if behind else bisect_left(scores, score)
