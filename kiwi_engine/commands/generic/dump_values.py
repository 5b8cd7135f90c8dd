"""From what a key holds to RDB: the values that DUMP sends (pure).

Elements go from the store into the payload one by one, or a thousand at a time; only the payload
itself is as large as the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.hashes.opening import Hash, open_hash
from kiwi_engine.keyspace.lists.opening import AnyList, open_list
from kiwi_engine.keyspace.numerals.doubles import double_text
from kiwi_engine.keyspace.sets.opening import open_set
from kiwi_engine.keyspace.sets.spread import SpreadSet
from kiwi_engine.keyspace.sorted_sets.opening import open_sorted_set
from kiwi_engine.keyspace.spread import roots
from kiwi_engine.keyspace.streams.format import UNKNOWN_COUNT, split_id
from kiwi_engine.keyspace.streams.groups import ConsumerGroup
from kiwi_engine.keyspace.streams.stream import Stream
from kiwi_engine.keyspace.strings.strings import open_string
from kiwi_engine.rdb import encode, encode_stream
from kiwi_engine.rdb.encode import Encoded
from kiwi_engine.rdb.encode_stream import StreamNodeLimit
from kiwi_engine.rdb.values import RdbConsumer, RdbGroup, RdbPending, RdbStream

_READ_AT_ONCE: Final = 1000


def encoded_value(db: Database, key: bytes, now_ms: int) -> Encoded | None:
    """The value at `key`, None where no key lives."""
    head = db.head(key, now_ms)
    return None if head is None else _ENCODERS[encoding.kind_of(head)](db, key, now_ms)


# Each of the following is called for a key of its own kind, which is there.


def _string(db: Database, key: bytes, now_ms: int) -> Encoded:
    opened = open_string(db, key, now_ms)
    assert opened is not None
    return encode.string(opened.read(0, opened.size))


def _list(db: Database, key: bytes, now_ms: int) -> Encoded:
    opened = open_list(db, key, now_ms)
    assert opened is not None
    return encode.list_of(_elements(opened), encode.node_limit(db.limits.list_max_listpack_size))


def _elements(opened: AnyList) -> Iterator[bytes]:
    for start in range(0, opened.count, _READ_AT_ONCE):
        yield from opened.read(start, min(_READ_AT_ONCE, opened.count - start))


def _set(db: Database, key: bytes, now_ms: int) -> Encoded:
    opened = open_set(db, key, now_ms)
    assert opened is not None
    if isinstance(opened, SpreadSet) and opened.root.encoding == roots.HASHTABLE:
        return encode.set_of(place[4:] for place in opened.places())
    members = opened.in_reply_order()
    if opened.root.encoding == roots.INTSET:
        return encode.intset(list(map(int, members)))
    if opened.root.encoding == roots.LISTPACK:
        return encode.set_listpack(members)
    return encode.set_of(members)


def _sorted_set(db: Database, key: bytes, now_ms: int) -> Encoded:
    opened = open_sorted_set(db, key, now_ms)
    assert opened is not None
    count = opened.count
    if opened.root.encoding == roots.LISTPACK:
        elements = opened.between(0, count)
        return encode.sorted_set_listpack(
            # A listpack has no negative zero.
            (member, double_text(score or 0.0))
            for member, score in elements
        )
    return encode.sorted_set(opened.between(0, count, is_reverse=True))


def _hash(db: Database, key: bytes, now_ms: int) -> Encoded | None:
    """None where all fields have expired."""
    opened = open_hash(db, key, now_ms)
    assert opened is not None
    if not opened.count:
        return None
    is_listpack = opened.root.encoding in (roots.LISTPACK, roots.LISTPACK_EX)
    earliest_ms = _earliest_deadline(opened)
    if earliest_ms and is_listpack:
        return encode.expiring_hash_listpack(opened.triples())
    if earliest_ms:
        return encode.expiring_hash(opened.triples(), earliest_ms)
    if is_listpack:
        return encode.hash_listpack(opened.items())
    return encode.hash_of(opened.items())


def _earliest_deadline(opened: Hash) -> int:
    """The earliest deadline of any field, 0 if none has one."""
    if opened.root.encoding < roots.LISTPACK_EX:
        return 0
    deadlines = (deadline_ms for _, _, deadline_ms in opened.triples() if deadline_ms)
    return min(deadlines, default=0)


def _stream(db: Database, key: bytes, now_ms: int) -> Encoded:
    opened = Stream.open(db, key, now_ms)
    assert opened is not None
    value = RdbStream(
        entry_count=opened.length,
        entries=((split_id(entry_id), tuple(words)) for entry_id, words in opened.entries()),
        first_id=split_id(opened.first_id),
        last_id=split_id(opened.last_id),
        max_deleted_id=split_id(opened.max_deleted_id),
        entries_added=opened.added,
        groups=[_group(group) for group in ConsumerGroup.all_of(opened)],
    )
    limits = db.limits
    node = StreamNodeLimit(limits.stream_node_max_entries, limits.stream_node_max_bytes)
    return encode_stream.stream(value, node)


def _group(group: ConsumerGroup) -> RdbGroup:
    return RdbGroup(
        group.name,
        split_id(group.last_id),
        None if group.entries_read == UNKNOWN_COUNT else group.entries_read,
        [
            RdbConsumer(consumer.name, consumer.seen_ms, consumer.active_ms)
            for consumer in group.consumers()
        ],
        {
            split_id(pending.entry_id): RdbPending(
                pending.consumer, pending.delivered_ms, pending.deliveries
            )
            for pending in group.all_pending()
        },
    )


_ENCODERS: Final[dict[int, Callable[[Database, bytes, int], Encoded | None]]] = {
    encoding.STRING_KIND: _string,
    encoding.LIST_KIND: _list,
    encoding.SET_KIND: _set,
    encoding.SORTED_SET_KIND: _sorted_set,
    encoding.HASH_KIND: _hash,
    encoding.STREAM_KIND: _stream,
}
