"""Merging pending changes over what lies below them, in key order (pure).

A generation holds the entries that wait to be drained. Reads see the newest generation over the
older one over the index; `overlay` does that for ranges, lazily.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Final

from sortedcontainers import SortedList

from kiwi_engine.commit.group import Entry, Group
from kiwi_engine.engine.clean_cache import ENTRY_OVERHEAD_BYTES

Row = tuple[bytes, Entry]

# A range deletion that removes this part of all keys or more has the others sorted anew.
_SORTED_ANEW_SHARE: Final = 8


def group_memory_bytes(group: Group) -> int:
    """The memory, nearly, that the changes of a group take while they wait."""
    return group.bytes + len(group.changes) * ENTRY_OVERHEAD_BYTES


class Generation:
    """Changes since the last drain began. `ranges` were deleted before `entries` were set.

    The executing thread fills it; after it is sealed it never changes. `groups` are kept so that
    the durable part can be rebuilt should the log fail.
    """

    __slots__ = ("_order", "_seen", "bytes", "entries", "groups", "opened_ns", "ranges")

    def __init__(self, opened_ns: int) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.ranges: list[tuple[bytes, bytes]] = []
        self.groups: list[Group] = []
        self.bytes = 0
        self.opened_ns = opened_ns
        # Keys by their first byte, in order, and how many of `entries` they are.
        self._order: dict[bytes, _LazyOrder] = {}
        self._seen = 0

    def covers(self, key: bytes) -> bool:
        """Whether a range deletion of this generation hides `key` in what lies below."""
        return any(begin <= key < end for begin, end in self.ranges)

    def delete_range(self, begin: bytes, end: bytes) -> None:
        keys = self.keys_between(begin, end)
        for key in keys:
            del self.entries[key]
        if len(keys) * _SORTED_ANEW_SHARE < len(self.entries):
            for key in keys:
                self._order[key[:1]].remove(key)
            self._seen = len(self.entries)
        else:
            self._order, self._seen = {}, 0
        self.ranges.append((begin, end))

    def take_back_ranges(self, count: int) -> None:
        """Forget the last `count` ranges, whose entries the caller has restored.

        Removed entries may be among the sorted ones, so those are sorted anew.
        """
        del self.ranges[len(self.ranges) - count :]
        self._order, self._seen = {}, 0

    def absorb(self, group: Group) -> None:
        """Apply a whole group (recovery, and rebuilding after a failure)."""
        for begin, end in group.ranges:
            self.delete_range(begin, end)
        self.entries.update(group.changes)
        self.groups.append(group)
        self.bytes += group_memory_bytes(group)

    def rows(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        """(key, entry) in [begin, end), in order, deletions included."""
        entries = self.entries
        return ((key, entries[key]) for key in self._keys_between(begin, end, reverse))

    def keys_between(self, begin: bytes, end: bytes) -> list[bytes]:
        """The keys in [begin, end), in order, those of deletions included."""
        return list(self._keys_between(begin, end, reverse=False))

    def _keys_between(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[bytes]:
        self._note_new_keys()
        tables = sorted(
            (table for table in self._order if begin[:1] <= table <= end[:1]), reverse=reverse
        )
        return chain.from_iterable(
            self._order[table].between(begin, end, reverse) for table in tables
        )

    def _note_new_keys(self) -> None:
        """A write costs nothing here: a range looks at the keys that came since the last one."""
        added = len(self.entries) - self._seen
        self._seen += added
        # Between two looks keys are only ever added: the last ones are the new ones.
        for key in islice(reversed(self.entries), added):
            order = self._order.get(key[:1])
            if order is None:
                order = self._order[key[:1]] = _LazyOrder()
            order.unsorted.append(key)


class _LazyOrder:
    """Keys with one first byte: those of the keyspace and those of the expiry index, say, apart,
    so that the walk over due deadlines does not sort every key that was written since.
    """

    __slots__ = ("_sorted", "unsorted")

    def __init__(self) -> None:
        self.unsorted: list[bytes] = []
        self._sorted: SortedList = SortedList()

    def remove(self, key: bytes) -> None:
        """Forget a key that `between` has returned."""
        self._sorted.remove(key)

    def between(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[bytes]:
        if self.unsorted:
            self._sorted.update(self.unsorted)
            self.unsorted = []
        keys: Iterator[bytes] = self._sorted.irange(
            begin, end, inclusive=(True, False), reverse=reverse
        )
        return keys


def joined(ranges: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same keys in ranges that do not overlap, in order."""
    result: list[tuple[bytes, bytes]] = []
    for begin, end in sorted(ranges):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        elif begin < end:
            result.append((begin, end))
    return result


def overlay(
    upper: Iterator[Row],
    lower: Iterator[Row],
    hides: Callable[[bytes], bool] | None,
    reverse: bool,
) -> Iterator[Row]:
    """Both in order; where they meet `upper` wins; `hides(key)` drops rows of `lower`."""
    if hides is not None:
        lower = (row for row in lower if not hides(row[0]))
    over, under = next(upper, None), next(lower, None)
    while over is not None and under is not None:
        if over[0] == under[0]:
            under = next(lower, None)
        elif (over[0] < under[0]) != reverse:
            yield over
            over = next(upper, None)
        else:
            yield under
            under = next(lower, None)
    yield from _rest(over, upper)
    yield from _rest(under, lower)


def _rest(first: Row | None, others: Iterable[Row]) -> Iterator[Row]:
    if first is not None:
        yield first
        yield from others
