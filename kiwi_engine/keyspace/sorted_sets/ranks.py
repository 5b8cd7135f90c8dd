"""How many elements of a spread sorted set lie before a place: count nodes (pure).

    node   "n" | version u64 | boundary   ->  count u32

A *count node* covers the elements from its boundary, an order key, up to the next one; the boundary
of the first is empty. A rank is the sum of the counts of the nodes before, plus a walk inside of
one node; an element by its index is found in the same way. Nodes grow with about the square root of
the set, so that neither part becomes long. Specified in formats/keys.md, reasons in
decisions/0011-count-nodes.md.

Boundaries and counts of the sets in use are kept in memory, and every change is made in both places
by one method here: a write needs no seek to find its node. A version is never used twice, so what
is remembered of one that is gone is wrong for nobody.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from math import isqrt
from typing import Final

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.errors import CorruptionError
from kiwi_engine.keyspace.encoding import behind
from kiwi_engine.keyspace.spread.versions import RANKS, SCORES, element_prefix

# Nodes remembered in all, about 150 bytes each; the set in use is remembered whatever it needs.
NODES_MAX: Final = 50_000
NODE_ENTRIES_MIN: Final = 64
# The largest node has this part of the square root of the number of elements. Summing counts costs
# about a hundredth of walking over elements, hence not the root itself.
ROOT_PART: Final = 4
SUMMED_AT_ONCE: Final = 256

_COUNT: Final = struct.Struct(">I")
_pack: Final = _COUNT.pack


def node_entries_max(total: int, least: int) -> int:
    """Elements up to which a node of a set with `total` elements is not split."""
    return max(least, isqrt(total) // ROOT_PART)


class CountNodes:
    """The nodes of one version, in memory and in the store.

    Each method that tells of a change is called after the elements themselves were changed.
    `first` and `end` are what walks have learned: all elements lie in [first, end), None being
    without an end. What is popped from a queue leaves deletions behind, and whoever began before
    them would walk over all of them again.
    """

    __slots__ = (
        "_boundaries", "_cache", "_counts", "_order_prefix", "_prefix", "_store", "_total", "end",
        "first",
    )  # fmt: skip

    def __init__(self, cache: RankCache, store: Store, version: int) -> None:
        self._cache = cache
        self._store = store
        self._prefix = element_prefix(RANKS, version)
        self._order_prefix = element_prefix(SCORES, version)
        rows = list(store.range(self._prefix, behind(self._prefix)))
        start = len(self._prefix)
        self._boundaries = [key[start:] for key, _ in rows] or [b""]
        self._counts: list[int] = [_COUNT.unpack(value)[0] for _, value in rows] or [0]
        self._total = sum(self._counts)
        self.first = b""
        self.end: bytes | None = None

    def __len__(self) -> int:
        return len(self._boundaries)

    @property
    def total(self) -> int:
        """The number of elements."""
        return self._total

    def fill(self, order_keys: Iterable[bytes], count: int) -> None:
        """Write the nodes of a new version with `count` elements, whose order keys come sorted."""
        size = max(1, node_entries_max(count, self._cache.node_entries_min) * 3 // 4)
        begins = [b"", *islice(order_keys, size, None, size)]
        sizes = [size] * (len(begins) - 1)
        self._cache.node_count += len(begins) - len(self._boundaries)
        self._boundaries = begins
        self._counts = [*sizes, count - sum(sizes)]
        self._total = count
        self.first, self.end = b"", None
        for at in range(len(begins)):
            self._put(at)

    def add(self, order_key: bytes) -> None:
        """An element was added."""
        self._total += 1
        self._widen(order_key)
        at = bisect_right(self._boundaries, order_key) - 1
        self._counts[at] += 1
        if self._counts[at] > node_entries_max(self._total, self._cache.node_entries_min):
            self._split(at)
        else:
            self._put(at)

    def remove(self, order_key: bytes) -> None:
        """An element was removed."""
        self._total -= 1
        at = bisect_right(self._boundaries, order_key) - 1
        self._counts[at] -= 1
        if not (self._merge(at) or (at and self._merge(at - 1))):
            self._put(at)

    def move(self, old_order_key: bytes, new_order_key: bytes) -> None:
        """An element has another place."""
        boundaries = self._boundaries
        if bisect_right(boundaries, old_order_key) != bisect_right(boundaries, new_order_key):
            self.add(new_order_key)
            self.remove(old_order_key)
        else:
            self._widen(new_order_key)

    def rank(self, order_key: bytes) -> int:
        """How many elements lie before a place."""
        at = bisect_right(self._boundaries, order_key) - 1
        boundary = self._boundaries[at]
        before = sum(self._counts[:at])
        if order_key == boundary:
            return before
        begin, end = self.clip(boundary, order_key)
        return before + sum(1 for _ in self._store.range(begin, end))

    def order_key_at(self, index: int) -> bytes:
        """The order key of the element with `index`, which must exist; walks from a node's end."""
        at, skipped = self._find(index)
        left = self._counts[at] - 1 - skipped
        if left < skipped:
            return self._order_key_in(at, left, is_reverse=True)
        return self._order_key_in(at, skipped)

    def _find(self, index: int) -> tuple[int, int]:
        """The node of an index, and how many elements of that node come before it."""
        counts, before = self._counts, 0
        # Sums of many counts cost a fifth of as many partial sums.
        for begin in range(0, len(counts), SUMMED_AT_ONCE):
            part = counts[begin : begin + SUMMED_AT_ONCE]
            behind_part = before + sum(part)
            if index < behind_part:
                begins = list(accumulate(part, initial=before))
                at = bisect_right(begins, index) - 1
                return begin + at, index - begins[at]
            before = behind_part
        raise AssertionError(f"there is no element {index} of {before}")

    def rows(self) -> Iterator[tuple[bytes, int]]:
        """(boundary, count) of every node."""
        return zip(self._boundaries, self._counts, strict=True)

    def _span(self, at: int) -> tuple[bytes, bytes]:
        """Between which stored keys the elements of a node lie."""
        following = self._boundaries[at + 1] if at + 1 < len(self._boundaries) else None
        return self.clip(self._boundaries[at], following)

    def clip(self, low: bytes, high: bytes | None) -> tuple[bytes, bytes]:
        """The stored keys of all elements with order keys in [low, high)."""
        prefix, end = self._order_prefix, self.end
        if high is None or (end is not None and end < high):
            high = end
        begin = prefix + max(low, self.first)
        return begin, behind(prefix) if high is None else prefix + high

    def _widen(self, order_key: bytes) -> None:
        """There is an element at a place now."""
        if order_key < self.first:
            self.first = order_key
        if self.end is not None and order_key >= self.end:
            self.end = order_key + b"\0"

    def _order_key_in(self, at: int, skipped: int, *, is_reverse: bool = False) -> bytes:
        """The order key behind `skipped` others of a node."""
        begin, end = self._span(at)
        rows = self._store.range(begin, end, reverse=is_reverse)
        row = next(islice(rows, skipped, None), None)
        if row is None:
            raise CorruptionError("index", 0, f"the count node {begin!r} counts too many elements")
        return row[0][len(self._order_prefix) :]

    def _split(self, at: int) -> None:
        half = self._counts[at] // 2
        self._boundaries.insert(at + 1, self._order_key_in(at, half))
        self._counts.insert(at + 1, self._counts[at] - half)
        self._counts[at] = half
        self._cache.node_count += 1
        self._put(at)
        self._put(at + 1)

    def _merge(self, at: int) -> bool:
        """Put a node and the next one together if that is still a small one; whether it was done.

        Small is half of what is split, so that a node is not put together and split by turns.
        """
        if at + 1 == len(self._counts):
            return False
        both = self._counts[at] + self._counts[at + 1]
        small = node_entries_max(self._total, self._cache.node_entries_min) // 2
        if both > small and self._counts[at] and self._counts[at + 1]:
            return False
        self._counts[at] = both
        del self._counts[at + 1]
        self._store.delete(self._prefix + self._boundaries.pop(at + 1))
        self._cache.node_count -= 1
        self._put(at)
        return True

    def _put(self, at: int) -> None:
        self._store.put(self._prefix + self._boundaries[at], _pack(self._counts[at]))


class RankCache:
    """The count nodes of the sets used last; owned by the executing thread."""

    def __init__(self, store: Store) -> None:
        self.node_entries_min = NODE_ENTRIES_MIN
        self.nodes_max = NODES_MAX
        # How many nodes are remembered in all; each `CountNodes` keeps it up to date.
        self.node_count = 0
        self._store = store
        self._by_version: dict[int, CountNodes] = {}

    def reload(self) -> None:
        """Forget everything: after a rollback of the store."""
        self._by_version.clear()
        self.node_count = 0

    def new(self, version: int) -> CountNodes:
        """The nodes of a version that has no elements as far as the nodes know, to be filled."""
        return self.nodes(version, 0)

    def known(self, version: int) -> CountNodes | None:
        """The nodes of a version if they are remembered."""
        return self._by_version.get(version)

    def nodes(self, version: int, count: int) -> CountNodes:
        """The nodes of a version that has `count` elements.

        `CorruptionError` where they count others.
        """
        nodes = self._by_version.pop(version, None)
        if nodes is None:
            nodes = CountNodes(self, self._store, version)
            if nodes.total != count:
                reason = f"the count nodes of version {version} count {nodes.total}, not {count}"
                raise CorruptionError("index", 0, reason)
            self.node_count += len(nodes)
        self._by_version[version] = nodes
        while self.node_count > self.nodes_max and len(self._by_version) > 1:
            oldest = next(iter(self._by_version))
            self.node_count -= len(self._by_version.pop(oldest))
        return nodes
