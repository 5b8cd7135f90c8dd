"""Streams: entries in the order of their IDs (pure).

A stream is always spread, and stays when its last entry goes. The root knows its first and its
last ID: adding an entry reads nothing else, and nothing ever seeks among what was trimmed away.
`Stream` is opened for one command; entries are written at once, the root by `save`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import STREAM_KIND, behind
from kiwi_engine.keyspace.spread.reclaim import RANGE_KEYS_MIN
from kiwi_engine.keyspace.spread.roots import STREAM, Root
from kiwi_engine.keyspace.streams.format import (
    ID_MAX,
    SEQUENCE_BITS,
    UNKNOWN_COUNT,
    StreamFacts,
    decode_fields,
    decode_stream,
    encode_stream,
    entries_prefix,
    id_behind,
    id_bytes,
)
from kiwi_engine.keyspace.streams.trimming import Trim, removable

# An entry: its ID, then its fields and values in turn.
Entry = tuple[int, list[bytes]]

_NEW: Final = (0, 0, 0, 0)


class Stream:
    """The stream at a key. `first_id` is 0 while it is empty; `last_id` never goes back."""

    __slots__ = (
        "_db", "_key", "_prefix", "_root", "added", "first_id", "last_id", "max_deleted_id",
        "store", "version",
    )  # fmt: skip

    def __init__(self, db: Database, key: bytes, root: Root, facts: StreamFacts) -> None:
        self._db = db
        self._key = key
        self._root = root
        self.last_id, self.first_id, self.max_deleted_id, self.added = facts
        self.store: Store = db.store
        self.version = root.version
        self._prefix = entries_prefix(root.version)

    @classmethod
    def open(cls, db: Database, key: bytes, now_ms: int) -> Stream | None:
        """The stream at `key`, or None; `WrongTypeError` where something else lives."""
        root = db.open(key, STREAM_KIND, now_ms)
        return None if root is None else cls(db, key, root, decode_stream(root.body))

    @staticmethod
    def length_at(db: Database, key: bytes, now_ms: int) -> int:
        """The length of the stream at `key`, 0 where nothing lives."""
        root = db.open(key, STREAM_KIND, now_ms)
        return 0 if root is None else root.count

    @classmethod
    def create(cls, db: Database, key: bytes) -> Stream:
        """A new, empty stream at `key`, where nothing lives; it is there once it is saved."""
        root = Root(STREAM_KIND, STREAM)
        db.spread(key, root)
        return cls(db, key, root, _NEW)

    def save(self) -> None:
        """Write the root."""
        self._root.body = encode_stream(
            (self.last_id, self.first_id, self.max_deleted_id, self.added)
        )
        self._db.save(self._key, self._root)

    @property
    def length(self) -> int:
        """How many entries there are."""
        return self._root.count

    # Entries

    def next_id(self, now_ms: int) -> int:
        """The ID of an entry that is added now; times that go back do not matter."""
        if now_ms > self.last_id >> SEQUENCE_BITS:
            return now_ms << SEQUENCE_BITS
        return self.last_id + 1

    def add(self, entry_id: int, packed_fields: bytes) -> None:
        """Append an entry, whose ID is greater than `last_id`; `encode_fields` packs fields."""
        assert entry_id > self.last_id, "IDs only grow"
        self.store.put(self._prefix + id_bytes(entry_id), packed_fields)
        self.last_id = entry_id
        self.added += 1
        if not self._root.count:
            self.first_id = entry_id
        self._root.count += 1

    def has(self, entry_id: int) -> bool:
        """Whether there is an entry of that ID."""
        return self.store.head(self._prefix + id_bytes(entry_id)) is not None

    def fields(self, entry_id: int) -> list[bytes] | None:
        """Fields and values of an entry, None where it is not there."""
        packed = self.store.get(self._prefix + id_bytes(entry_id))
        return None if packed is None else decode_fields(packed)

    def entries(
        self, low: int = 0, high: int = ID_MAX, *, count: int = 0, reverse: bool = False
    ) -> Iterator[Entry]:
        """Those from ID `low` to ID `high`, both included; `count` at most, unless that is 0.

        Consume or drop them before the next write.
        """
        low, high = max(low, self.first_id), min(high, self.last_id)
        if not self._root.count or low > high:
            return iter(())
        begin, end = self._prefix + id_bytes(low), self._prefix + id_bytes(high) + b"\x00"
        rows = self.store.scan(begin, end, reverse=reverse)
        return (
            (id_behind(key), decode_fields(packed)) for key, packed in islice(rows, count or None)
        )

    def newest_id(self) -> int:
        """The ID of the last entry that is still there; 0 if there is none."""
        return next((entry_id for entry_id, _ in self.entries(count=1, reverse=True)), 0)

    # Removing

    def delete(self, entry_ids: Iterable[int]) -> int:
        """Remove single entries; how many of them there were."""
        removed = 0
        lost_first = False
        for entry_id in entry_ids:
            if self.has(entry_id):
                self.store.delete(self._prefix + id_bytes(entry_id))
                self.max_deleted_id = max(self.max_deleted_id, entry_id)
                lost_first |= entry_id == self.first_id
                removed += 1
        self._root.count -= removed
        if lost_first:
            rows = self.store.range(self._begin(), self._end())
            self.first_id = next((id_behind(key) for key, _ in rows), 0)
        return removed

    def trim(self, trim: Trim) -> int:
        """Remove the oldest entries; how many went."""
        length, node_entries = self._root.count, self._db.limits.stream_node_max_entries
        if trim.length_max is None:
            excess = self._count_below(trim.id_min, trim.limit)
        else:
            excess = length - trim.length_max
        count = removable(trim, excess, length, self.added - length, node_entries)
        if count:
            self._remove_oldest(count)
        return count

    def _count_below(self, entry_id: int, limit: int) -> int:
        """How many entries have lower IDs; with a limit, no more are counted."""
        if entry_id <= self.first_id:
            return 0
        if entry_id > self.last_id:
            return self._root.count
        rows = self.store.range(self._begin(), self._prefix + id_bytes(entry_id))
        return sum(1 for _ in islice(rows, limit or None))

    def _remove_oldest(self, count: int) -> None:
        if count < RANGE_KEYS_MIN:
            keys = self._oldest_keys(count + 1)
            for key in keys[:count]:
                self.store.delete(key)
            first = keys[count] if len(keys) > count else None
        else:
            first = self._key_of_oldest(count)
            self.store.delete_range(self._begin(), first or self._end())
        self.first_id = 0 if first is None else id_behind(first)
        self._root.count -= count

    def _oldest_keys(self, count: int) -> list[bytes]:
        rows = self.store.range(self._begin(), self._end())
        return [key for key, _ in islice(rows, count)]

    def _key_of_oldest(self, count: int) -> bytes | None:
        """The key of the entry that `count` others come before; found from the nearer end."""
        left = self._root.count - count
        if not left:
            return None
        is_nearer = left < count
        rows = self.store.range(self._begin(), self._end(), reverse=is_nearer)
        key, _ = next(islice(rows, left - 1 if is_nearer else count, None))
        return key

    def _begin(self) -> bytes:
        return self._prefix + id_bytes(self.first_id)

    def _end(self) -> bytes:
        return behind(self._prefix)

    # How far a reader has come

    def count_read(self, entry_id: int) -> int:
        """How many entries were ever added up to `entry_id`, or `UNKNOWN_COUNT`.

        It is known at both ends, if nothing was deleted in between. Source: Redis'
        `streamEstimateDistanceFromFirstEverEntry`.
        """
        length = self._root.count
        if not self.added:
            return 0
        if not length and entry_id <= self.last_id:
            return self.added
        if 0 < entry_id < self.max_deleted_id:
            return UNKNOWN_COUNT
        if entry_id == self.last_id:
            return self.added
        if entry_id < self.last_id and (
            not self.max_deleted_id or self.max_deleted_id < self.first_id
        ):
            if entry_id < self.first_id:
                return self.added - length
            if entry_id == self.first_id:
                return self.added - length + 1
        return UNKNOWN_COUNT

    def has_gap_behind(self, entry_id: int) -> bool:
        """Whether an entry from `entry_id` on may have been deleted one by one."""
        return bool(self._root.count and self.max_deleted_id) and entry_id <= self.max_deleted_id

    def lag(self, last_id: int, entries_read: int) -> int | None:
        """How many entries a group that stands at `last_id` has still to get; None: unknown."""
        if not self.added:
            return 0
        if entries_read == UNKNOWN_COUNT or self.has_gap_behind(last_id):
            entries_read = self.count_read(last_id)
        return None if entries_read == UNKNOWN_COUNT else self.added - entries_read
