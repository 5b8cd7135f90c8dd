"""From RDB to the store: the values that RESTORE gets (pure).

A value gets the encoding that Redis would give it while it loads the same payload, so it depends on
today's limits, not on what the value was called where it came from.
"""

from __future__ import annotations

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import SET_KIND
from kiwi_engine.keyspace.hashes.opening import open_or_new
from kiwi_engine.keyspace.lists.opening import replace_list
from kiwi_engine.keyspace.sets.packed import PackedSet
from kiwi_engine.keyspace.sorted_sets.opening import replace_sorted_set
from kiwi_engine.keyspace.spread.roots import HASHTABLE, INTSET, LISTPACK, Root
from kiwi_engine.keyspace.streams.format import UNKNOWN_COUNT, Pending, encode_fields, join_id
from kiwi_engine.keyspace.streams.groups import ConsumerGroup
from kiwi_engine.keyspace.streams.stream import Stream
from kiwi_engine.rdb.values import (
    RdbGroup,
    RdbHash,
    RdbList,
    RdbSet,
    RdbSortedSet,
    RdbStream,
    RdbString,
    RdbValue,
)


def store_value(db: Database, key: bytes, value: RdbValue, now_ms: int) -> None:
    """Store `value` at `key`, where nothing lives; it has no deadline.

    Fields of a hash that have expired are left out; without any other, so is the hash.
    """
    match value:
        case RdbString():
            db.set(key, value.payload)
        case RdbList():
            replace_list(db, key, value.elements)
        case RdbSet():
            _store_set(db, key, value)
        case RdbSortedSet():
            replace_sorted_set(db, key, value.scores.items())
        case RdbHash():
            _store_hash(db, key, value, now_ms)
        case RdbStream():
            _store_stream(db, key, value)


def _store_set(db: Database, key: bytes, value: RdbSet) -> None:
    """Redis begins with an intset, or with what it is too large for."""
    limits, count = db.limits, len(value.members)
    if value.is_listpack:
        first = LISTPACK if count <= limits.set_max_listpack_entries else HASHTABLE
    else:
        first = INTSET if count <= limits.set_max_intset_entries else HASHTABLE
    restored = PackedSet(db, key, Root(SET_KIND, first), ())
    restored.add_all(value.members)
    restored.save()


def _store_hash(db: Database, key: bytes, value: RdbHash, now_ms: int) -> None:
    restored = open_or_new(db, key, now_ms)
    restored.expect(len(value.fields))
    for field, payload in value.fields.items():
        deadline_ms = value.deadlines.get(field, 0)
        if not 0 < deadline_ms < now_ms:
            restored.set(field, payload)
            if deadline_ms:
                restored.set_deadline(field, deadline_ms)
    if restored.count:
        restored.save()


def _store_stream(db: Database, key: bytes, value: RdbStream) -> None:
    stream = Stream.create(db, key)
    for entry_id, fields in value.entries:
        stream.add(join_id(*entry_id), encode_fields(fields))
    stream.last_id = join_id(*value.last_id)
    stream.max_deleted_id = join_id(*value.max_deleted_id)
    stream.added = value.entries_added
    for group in value.groups:
        _store_group(stream, group)
    stream.save()


def _store_group(stream: Stream, value: RdbGroup) -> None:
    entries_read = UNKNOWN_COUNT if value.entries_read is None else value.entries_read
    group = ConsumerGroup.create(stream, value.name, join_id(*value.last_id), entries_read)
    consumers = {}
    for name, seen_ms, active_ms in value.consumers:
        consumers[name] = group.create_consumer(name, seen_ms)
        consumers[name].active_ms = active_ms
    for entry_id, (owner, delivered_ms, deliveries) in value.pending.items():
        pending = Pending(join_id(*entry_id), owner, delivered_ms, deliveries)
        group.assign(pending, consumers[owner], None)
    group.save()
