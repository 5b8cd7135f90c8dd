"""The store: the write buffer over the index (pure apart from the reads it forwards).

    put, delete  ->  generation (a dict)          being filled
                     draining   (a dict, sealed)  on its way into the index
                     clean cache                  what the index holds, in memory
    get          ->  index (RocksDB), value log   everything else

Only the executing thread calls it. A write lands in the open group, which the commit pipeline makes
durable, and in the generation, where reads find it. What is not durable yet is visible to later
commands of the same thread but to no client, since replies wait for their group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from kiwi_engine.commit.group import Entry, Group
from kiwi_engine.engine.clean_cache import CleanCache
from kiwi_engine.engine.overlay import Generation, group_memory_bytes, overlay
from kiwi_engine.engine.store_protocol import UNKNOWN, Tally, Unknown
from kiwi_engine.engine.stored import decode_stored, head_of
from kiwi_engine.engine.undo import Journal
from kiwi_engine.index.protocol import Index
from kiwi_engine.vlog.format import decode_pointer
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.separated import LargeValue, Separated

# `recent_counts` is exact up to this many pending changes.
RECENT_PENDING_MAX: Final = 1000
_MISSING: Final = Unknown()


class Store:
    """Implements `engine.store_protocol.Store`. `value_threshold` may change at any time."""

    def __init__(
        self,
        index: Index,
        values: ValueLogReader,
        clean: CleanCache,
        tally: Tally,
        value_threshold: int,
        now_ns: int,
    ) -> None:
        self._index = index
        self._values = values
        self._tally = tally
        self.clean = clean
        self.value_threshold = value_threshold
        # Returns when no drain is under way; set by the engine's housekeeping.
        self.settle_drain: Callable[[], None] = lambda: None
        # How many entries of the index count for each counter, as of the last finished drain.
        self.counters: Counter[bytes] = Counter()
        self.draining: Generation | None = None
        # Keys that `prefetch` did not find in the index. Forgotten with each group, since a drain
        # may bring them there; until then what is written to them is found before.
        self._absent: set[bytes] = set()
        self._journal: Journal | None = None
        self.open_generation(now_ns)
        self.open_group(Group(now_ns))

    # ---- generations and groups (the engine's side)

    def open_generation(self, now_ns: int, replayed: Generation | None = None) -> None:
        """Start a generation, empty or replayed; the engine has taken the former one."""
        self.generation = replayed or Generation(now_ns)
        self.generation.opened_ns = now_ns
        self._entries = self.generation.entries

    def open_group(self, group: Group) -> None:
        """Direct the next writes to `group`."""
        if self._absent:
            self._absent.clear()
        self.group = group
        self._changes = group.changes

    def register_group(self) -> None:
        """The open group is about to be offered: the generation remembers it."""
        group, generation = self.group, self.generation
        size = group_memory_bytes(group)
        if not generation.groups or generation.groups[-1] is not group:
            generation.groups.append(group)
            self._counted_bytes = 0
        # Otherwise it was taken back from the pipeline and has grown since.
        generation.bytes += size - self._counted_bytes
        self._counted_bytes = size

    def pending_bytes(self) -> int:
        """The memory, nearly, of what waits to be drained."""
        draining = self.draining
        return self.generation.bytes + (draining.bytes if draining is not None else 0)

    def rebuild(self, lsn: int, now_ns: int) -> None:
        """Forget every change whose group is not in the log up to `lsn`."""
        if self.draining is not None:
            self.draining = _part_up_to(lsn, self.draining.groups, now_ns)
        self.generation = _part_up_to(lsn, self.generation.groups, now_ns)
        self._entries = self.generation.entries

    # ---- reads

    def get(self, key: bytes) -> bytes | None:
        entry = self._entries.get(key, _MISSING)
        if entry is _MISSING:
            entry = self._find(key)
        if type(entry) is bytes or entry is None:
            return entry
        return self._whole(key, entry)  # type: ignore[arg-type]

    def _whole(self, key: bytes, entry: bytes | LargeValue | Separated) -> bytes:
        """The value of a present entry."""
        if isinstance(entry, bytes):
            return entry
        if isinstance(entry, LargeValue):
            return entry.value
        return self._values.read(key, decode_pointer(entry.pointer))

    def head(self, key: bytes) -> bytes | None:
        entry = self._entries.get(key, _MISSING)
        if entry is _MISSING:
            entry = self._find(key)
        assert not isinstance(entry, Unknown)
        return None if entry is None else head_of(entry)

    def peek_head(self, key: bytes) -> bytes | Unknown | None:
        entry = self._entries.get(key, _MISSING)
        if entry is _MISSING:
            entry = self._find_pending(key)
        if isinstance(entry, Unknown):
            cached = self.clean.peek(key)
            return UNKNOWN if cached is None else head_of(cached)
        return None if entry is None else head_of(entry)

    def prefetch(self, keys: Sequence[bytes]) -> None:
        entries, peek = self._entries, self.clean.peek
        absent = [key for key in keys if key not in entries and peek(key) is None]
        if self.draining is not None or self.generation.ranges:
            absent = [key for key in absent if self._find_pending(key) is _MISSING]
        if len(absent) < 2:
            return
        for key, stored in zip(absent, self._index.get_many(absent), strict=True):
            if stored is None:
                self._absent.add(key)
            else:
                self.clean.add(key, decode_stored(stored))

    def range(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        rows = self.rows(begin, end, reverse=reverse)
        return ((key, head_of(entry)) for key, entry in rows if entry is not None)

    def scan(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        rows = self.rows(begin, end, reverse=reverse)
        return ((key, self._whole(key, entry)) for key, entry in rows if entry is not None)

    def rows(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Entry]]:
        """(key, entry) of the keys in [begin, end), in order; deletions (None) among them.

        Consume or drop it before the next write, as with `range`.
        """
        rows: Iterator[tuple[bytes, Entry]] = (
            (key, decode_stored(stored))
            for key, stored in self._index.iterate(begin, end, reverse=reverse)
        )
        for generation in (self.draining, self.generation):
            if generation is not None:
                hides = generation.covers if generation.ranges else None
                rows = overlay(generation.rows(begin, end, reverse), rows, hides, reverse)
        return rows

    def find_in_memory(self, key: bytes) -> Entry | Unknown:
        """The entry of a key, None where it was deleted, or `UNKNOWN`: ask the index then."""
        entry = self._entries.get(key, _MISSING)
        if entry is _MISSING:
            entry = self._find_pending(key)
        if not isinstance(entry, Unknown):
            return entry
        cached = self.clean.get(key)
        return UNKNOWN if cached is None else cached

    # ---- writes

    def keep_undo(self, is_on: bool) -> None:
        if not is_on:
            self._journal = None
        elif self._journal is None:
            self._journal = Journal(self.group)
        else:
            self._journal.start(self.group)

    def forget_undo(self) -> None:
        assert self._journal is not None, "keep_undo comes first"
        self._journal.start(self.group)

    def undo(self) -> bool:
        return self._journal is not None and self._journal.take_back(self.generation)

    def put(self, key: bytes, value: bytes) -> None:
        if self._journal is not None:
            self._journal.note(key, self._entries, self._changes)
        group = self.group
        size = len(value)
        group.bytes += size + len(key)
        if size < self.value_threshold:
            self._entries[key] = self._changes[key] = value
            return
        large = LargeValue(value)
        group.large.append((key, large))
        self._entries[key] = self._changes[key] = large

    def put_where_pointer(self, rows: Sequence[tuple[bytes, bytes, bytes]]) -> int:
        """Put each (key, encoded pointer, value) again whose key still maps to just that pointer.

        For values that are moved: whatever was written, deleted or range-deleted since the pointer
        was looked up stays as it is. Returns how many were put.
        """
        newest = {key: self._find_pending(key) for key, _, _ in rows}
        unknown = [key for key, entry in newest.items() if isinstance(entry, Unknown)]
        newest.update(entries_below(unknown, self.clean, self._index))
        count = 0
        for key, pointer, value in rows:
            entry = newest[key]
            if isinstance(entry, Separated) and entry.pointer == pointer:
                self.put(key, value)
                count += 1
        return count

    def delete(self, key: bytes) -> None:
        if self._journal is not None:
            self._journal.note(key, self._entries, self._changes)
        self._entries[key] = self._changes[key] = None
        self.group.bytes += len(key)

    def delete_range(self, begin: bytes, end: bytes) -> None:
        if self._journal is not None:
            for key in self.generation.keys_between(begin, end):
                self._journal.note(key, self._entries, self._changes)
        for key in [key for key in self._changes if begin <= key < end]:
            del self._changes[key]
        self.group.ranges.append((begin, end))
        self.group.bytes += len(begin) + len(end)
        self.generation.delete_range(begin, end)

    # ---- counting

    def count(self, counter: bytes) -> int:
        return self.counts()[counter]

    def has_pending_ranges(self, begin: bytes, end: bytes) -> bool:
        """Whether a range deletion in [begin, end) waits to be drained: `count` lags behind it."""
        return any(
            low < end and begin < high
            for generation in (self.generation, self.draining)
            if generation is not None
            for low, high in generation.ranges
        )

    def recent_counts(self) -> Mapping[bytes, int]:
        """As `counts` while little is pending, else as of the last finished drain: never slow."""
        pending = len(self.generation.entries)
        if self.draining is not None:
            pending += len(self.draining.entries)
        return self.counts() if pending <= RECENT_PENDING_MAX else self.counters

    def counts(self) -> Counter[bytes]:
        """All counters, pending changes included.

        Walks what is pending, and asks the index about those of its keys that nothing in memory
        knows: no write pays for the exactness of `DBSIZE` (docs/decisions/0005-exact-dbsize.md).
        What a range deletion removes from the index is counted when it is drained.
        """
        # While a drain is under way the index is newer than `counters`.
        self.settle_drain()
        self._absent.clear()
        totals = Counter(self.counters)
        pending: dict[bytes, Entry] = {}
        if self.draining is not None:
            covers = self.generation.covers
            pending = {k: None if covers(k) else e for k, e in self.draining.entries.items()}
        pending.update(self.generation.entries)
        below = entries_below(list(pending), self.clean, self._index)
        for key, entry in pending.items():
            before = below[key]
            if before is not None:
                totals.subtract(self._tally(key, head_of(before)))
            if entry is not None:
                totals.update(self._tally(key, head_of(entry)))
        return totals

    # ---- finding entries

    def _find(self, key: bytes) -> Entry:
        """The entry of a key that the open generation does not hold."""
        if self.draining is None and not self.generation.ranges:
            return self._find_clean(key)
        entry = self._find_pending(key)
        return self._find_clean(key) if isinstance(entry, Unknown) else entry

    def _find_pending(self, key: bytes) -> Entry | Unknown:
        for generation in (self.generation, self.draining):
            if generation is not None:
                entry = generation.entries.get(key, _MISSING)
                if entry is not _MISSING:
                    return entry
                if generation.ranges and generation.covers(key):
                    return None
        return _MISSING

    def _find_clean(self, key: bytes) -> bytes | Separated | None:
        entry = self.clean.get(key)
        if entry is None:
            if key in self._absent:
                return None
            stored = self._index.get(key)
            if stored is None:
                return None
            entry = decode_stored(stored)
            self.clean.add(key, entry)
        return entry


def entries_below(
    keys: Sequence[bytes], clean: CleanCache, index: Index
) -> dict[bytes, bytes | Separated | None]:
    """What the index holds for `keys`, from the clean cache where it knows, in one batched read.

    Changes nothing, so a background thread may call it too.
    """
    below = clean.peek_many(keys)
    absent = [key for key, entry in below.items() if entry is None]
    for key, stored in zip(absent, index.get_many(absent), strict=True):
        if stored is not None:
            below[key] = decode_stored(stored)
    return below


def _part_up_to(lsn: int, groups: list[Group], now_ns: int) -> Generation:
    generation = Generation(now_ns)
    for group in groups:
        if 0 < group.lsn <= lsn:
            generation.absorb(group)
    return generation
