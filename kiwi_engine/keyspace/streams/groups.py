"""Consumer groups of a stream: how far they have read, and what is not acknowledged (pure).

What is pending is kept twice: by ID for the group, with owner, time and count, and by ID for each
consumer. Both are changed together, so that these always hold: the group's count is the number of
its pending entries, each of them has exactly one owner, and the counts of the consumers say how
many each one owns. `ConsumerGroup` is opened for one command; pending entries are written at once,
the counts by `save`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace.encoding import behind
from kiwi_engine.keyspace.spread.reclaim import RANGE_KEYS_MIN
from kiwi_engine.keyspace.streams.format import (
    ID_MAX,
    NEVER,
    UNKNOWN_COUNT,
    GroupFacts,
    Pending,
    consumers_prefix,
    decode_consumer,
    decode_group,
    decode_pending,
    encode_consumer,
    encode_group,
    encode_pending,
    groups_prefix,
    id_behind,
    id_bytes,
    owned_prefix,
    pending_prefix,
)
from kiwi_engine.keyspace.streams.stream import Stream

# Rows that a walk takes before others may write.
PAGE_ROWS: Final = 256


class Consumer(msgspec.Struct):
    """Reads for a group. `active_ms` is `NEVER` as long as it got nothing."""

    name: bytes
    seen_ms: int
    active_ms: int = NEVER
    pending: int = 0


class ConsumerGroup:
    """The group `name` of a stream."""

    __slots__ = (
        "_consumers", "_consumers_prefix", "_key", "_pending_prefix", "_store", "_version",
        "consumer_count", "entries_read", "last_id", "name", "pending_count",
    )  # fmt: skip

    def __init__(self, stream: Stream, name: bytes, facts: GroupFacts) -> None:
        self.name = name
        self.last_id, self.entries_read, self.pending_count, self.consumer_count = facts
        self._store: Store = stream.store
        self._version = stream.version
        self._key = groups_prefix(stream.version) + name
        self._pending_prefix = pending_prefix(stream.version, name)
        self._consumers_prefix = consumers_prefix(stream.version, name)
        # Those that this command has to do with.
        self._consumers: dict[bytes, Consumer] = {}

    @classmethod
    def open(cls, stream: Stream, name: bytes) -> ConsumerGroup | None:
        """The group called `name`, or None."""
        value = stream.store.get(groups_prefix(stream.version) + name)
        return None if value is None else cls(stream, name, decode_group(value))

    @classmethod
    def create(cls, stream: Stream, name: bytes, last_id: int, entries_read: int) -> ConsumerGroup:
        """A new group, that stands at `last_id`; it is there once it is saved."""
        return cls(stream, name, GroupFacts(last_id, entries_read, 0, 0))

    @classmethod
    def all_of(cls, stream: Stream) -> list[ConsumerGroup]:
        """The groups of a stream, in the order of their names."""
        prefix = groups_prefix(stream.version)
        rows = stream.store.scan(prefix, behind(prefix))
        return [cls(stream, key[len(prefix) :], decode_group(value)) for key, value in rows]

    def save(self) -> None:
        """Write the group, and the consumers that were looked up or created."""
        facts = GroupFacts(self.last_id, self.entries_read, self.pending_count, self.consumer_count)
        self._store.put(self._key, encode_group(facts))
        for consumer in self._consumers.values():
            value = encode_consumer(consumer.seen_ms, consumer.active_ms, consumer.pending)
            self._store.put(self._consumers_prefix + consumer.name, value)

    def destroy(self) -> None:
        """Remove the group with everything that belongs to it."""
        self._store.delete(self._key)
        _remove(self._store, self._pending_prefix)
        _remove(self._store, self._consumers_prefix[:-1])  # both kinds of keys of its consumers

    def advance(self, stream: Stream, entry_id: int) -> None:
        """The group has read on to the entry that follows `last_id`."""
        is_counting = self.entries_read != UNKNOWN_COUNT and self.last_id >= stream.first_id
        if is_counting and not stream.has_gap_behind(self.last_id):
            self.entries_read += 1
        elif stream.added:
            self.entries_read = stream.count_read(entry_id)
        self.last_id = entry_id

    # Consumers

    def consumer(self, name: bytes) -> Consumer | None:
        """The consumer called `name`, or None; the same object for the same name."""
        consumer = self._consumers.get(name)
        if consumer is None:
            value = self._store.get(self._consumers_prefix + name)
            if value is not None:
                consumer = self._consumers[name] = Consumer(name, *decode_consumer(value))
        return consumer

    def create_consumer(self, name: bytes, now_ms: int) -> Consumer:
        """A consumer of a new name."""
        consumer = self._consumers[name] = Consumer(name, now_ms)
        self.consumer_count += 1
        return consumer

    def consumers(self) -> Iterator[Consumer]:
        """All that were saved, in the order of their names."""
        prefix = self._consumers_prefix
        for key, value in _walk(self._store, prefix, behind(prefix)):
            yield Consumer(key[len(prefix) :], *decode_consumer(value))

    def remove_consumer(self, consumer: Consumer) -> None:
        """Remove a consumer; what it has not acknowledged is pending no longer."""
        prefix = owned_prefix(self._version, self.name, consumer.name)
        for key, _ in _walk(self._store, prefix, behind(prefix)):
            self._store.delete(self._pending_prefix + key[len(prefix) :])
        _remove(self._store, prefix)
        self._store.delete(self._consumers_prefix + consumer.name)
        del self._consumers[consumer.name]
        self.pending_count -= consumer.pending
        self.consumer_count -= 1

    # What is pending

    def pending(self, entry_id: int) -> Pending | None:
        """What is known of a pending entry, or None if it is not pending."""
        value = self._store.get(self._pending_prefix + id_bytes(entry_id))
        return None if value is None else decode_pending(entry_id, value)

    def all_pending(self, low: int = 0, high: int = ID_MAX) -> Iterator[Pending]:
        """Those from ID `low` to ID `high`, in order; writes in between do no harm."""
        prefix = self._pending_prefix
        begin, end = prefix + id_bytes(low), prefix + id_bytes(high) + b"\x00"
        for key, value in _walk(self._store, begin, end):
            yield decode_pending(id_behind(key), value)

    def pending_ends(self) -> tuple[int, int] | None:
        """The lowest and the greatest ID that is pending, None if nothing is."""
        if not self.pending_count:
            return None
        begin, end = self._pending_prefix, behind(self._pending_prefix)
        first, _ = next(self._store.range(begin, end))
        last, _ = next(self._store.range(begin, end, reverse=True))
        return id_behind(first), id_behind(last)

    def owned(self, consumer: Consumer, low: int = 0, high: int = ID_MAX) -> Iterator[Pending]:
        """As `all_pending`, of one consumer."""
        prefix = owned_prefix(self._version, self.name, consumer.name)
        begin, end = prefix + id_bytes(low), prefix + id_bytes(high) + b"\x00"
        for key, _ in _walk(self._store, begin, end):
            pending = self.pending(id_behind(key))
            assert pending is not None, "what a consumer owns is pending"
            yield pending

    def assign(self, pending: Pending, owner: Consumer, previous: Pending | None) -> None:
        """Make an entry pending for `owner`; `previous` is what was known of it before."""
        if previous is None:
            self.pending_count += 1
        if previous is None or previous.consumer != owner.name:
            if previous is not None:
                self._disown(previous)
            self._store.put(self._owned_key(owner.name, pending.entry_id), b"")
            owner.pending += 1
        self._store.put(self._pending_prefix + id_bytes(pending.entry_id), encode_pending(pending))

    def forget(self, pending: Pending) -> None:
        """An entry is pending no longer."""
        self._store.delete(self._pending_prefix + id_bytes(pending.entry_id))
        self._disown(pending)
        self.pending_count -= 1

    def _disown(self, pending: Pending) -> None:
        owner = self.consumer(pending.consumer)
        assert owner is not None, "what is pending has an owner"
        self._store.delete(self._owned_key(owner.name, pending.entry_id))
        owner.pending -= 1

    def _owned_key(self, consumer: bytes, entry_id: int) -> bytes:
        return owned_prefix(self._version, self.name, consumer) + id_bytes(entry_id)


def _walk(store: Store, begin: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The rows in [begin, end), page by page: what was seen may be written meanwhile."""
    while rows := list(islice(store.scan(begin, end), PAGE_ROWS)):
        yield from rows
        if len(rows) < PAGE_ROWS:
            return
        begin = rows[-1][0] + b"\x00"


def _remove(store: Store, prefix: bytes) -> None:
    """Remove all keys that begin with `prefix`."""
    end = behind(prefix)
    keys = [key for key, _ in islice(store.range(prefix, end), RANGE_KEYS_MIN)]
    if len(keys) < RANGE_KEYS_MIN:
        for key in keys:
            store.delete(key)
    else:
        store.delete_range(prefix, end)
