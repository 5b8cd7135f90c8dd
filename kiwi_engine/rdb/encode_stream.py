"""A stream to RDB (pure); the drawing is in `decode_stream`.

Entries are gathered into nodes by the rules of XADD, so that a stream that was only added to looks
as in Redis. The third form tells when consumers were active, beside when they were seen; where that
is the same, the second form says as much, and Redis 7.0 reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kiwi_engine.rdb import kinds, listpack, wire
from kiwi_engine.rdb.decode_stream import FLAG_SAME_FIELDS, ID, UNKNOWN_COUNT
from kiwi_engine.rdb.encode import Encoded
from kiwi_engine.rdb.values import RdbGroup, RdbStream, StreamFields, StreamId
from kiwi_engine.rdb.wire import Strings


class StreamNodeLimit(NamedTuple):
    """How much goes into one node (stream-node-max-entries, -bytes); 0: no limit."""

    entries_max: int
    bytes_max: int


def stream(value: RdbStream, limit: StreamNodeLimit) -> Encoded:
    strings = Strings()
    nodes = list(_nodes(value.entries, limit, strings))
    parts = [wire.length(len(nodes)), *nodes, wire.length(value.entry_count)]
    parts += map(_id, (value.last_id, value.first_id, value.max_deleted_id))
    parts += (wire.length(value.entries_added), wire.length(len(value.groups)))
    is_third = any(
        consumer.active_ms != consumer.seen_ms
        for group in value.groups
        for consumer in group.consumers
    )
    parts += (_group(group, strings, is_third=is_third) for group in value.groups)
    if is_third:
        return Encoded(bytes((kinds.STREAM_3,)) + b"".join(parts), kinds.VERSION_STREAM_3)
    return Encoded(bytes((kinds.STREAM_2,)) + b"".join(parts))


def _id(stream_id: StreamId) -> bytes:
    return wire.length(stream_id[0]) + wire.length(stream_id[1])


def _nodes(
    entries: Iterable[tuple[StreamId, StreamFields]], limit: StreamNodeLimit, strings: Strings
) -> Iterator[bytes]:
    """Key and listpack of each node; only one node is held as entries at a time."""
    node: list[tuple[StreamId, StreamFields]] = []
    size = 0
    for entry_id, fields in entries:
        new_bytes = sum(map(len, fields))
        is_full = limit.bytes_max and size + new_bytes >= limit.bytes_max
        if node and (is_full or len(node) == limit.entries_max):
            yield _node(node, strings)
            node, size = [], 0
        if not node:
            size = len(listpack.pack([*_head(0, fields)]))
        node.append((entry_id, fields))
        size += sum(len(listpack.pack_element(word)) for word in _entry(node[0], entry_id, fields))
    if node:
        yield _node(node, strings)


def _node(entries: list[tuple[StreamId, StreamFields]], strings: Strings) -> bytes:
    first_id, names = entries[0][0], entries[0][1]
    elements = _head(len(entries), names)
    for entry_id, fields in entries:
        elements += _entry(entries[0], entry_id, fields)
    return strings.pack(ID.pack(*first_id)) + strings.pack(listpack.pack(elements))


def _head(count: int, fields: StreamFields) -> list[bytes | int]:
    names = fields[::2]
    return [count, 0, len(names), *names, 0]


def _entry(
    first: tuple[StreamId, StreamFields], entry_id: StreamId, fields: StreamFields
) -> list[bytes | int]:
    """The elements of one entry of the node that begins with `first`."""
    distance = [_signed(own - base) for own, base in zip(entry_id, first[0], strict=True)]
    names, values = fields[::2], fields[1::2]
    if names == first[1][::2]:
        return [FLAG_SAME_FIELDS, *distance, *values, len(values) + 3]
    return [0, *distance, len(names), *fields, len(fields) + 4]


def _signed(difference: int) -> int:
    """The difference of two unsigned numbers of 64 bits as Redis stores it, in a signed one."""
    return (difference + (1 << 63)) % (1 << 64) - (1 << 63)


def _group(group: RdbGroup, strings: Strings, *, is_third: bool) -> bytes:
    entries_read = UNKNOWN_COUNT if group.entries_read is None else group.entries_read
    parts = [strings.pack(group.name), _id(group.last_id), wire.length(entries_read)]
    parts.append(wire.length(len(group.pending)))
    owned: dict[bytes, list[StreamId]] = {consumer.name: [] for consumer in group.consumers}
    for entry_id, pending in group.pending.items():
        parts += (ID.pack(*entry_id), wire.milliseconds(pending.delivered_ms))
        parts.append(wire.length(pending.delivery_count))
        owned[pending.consumer].append(entry_id)
    parts.append(wire.length(len(group.consumers)))
    for consumer in group.consumers:
        parts += (strings.pack(consumer.name), wire.milliseconds(consumer.seen_ms))
        if is_third:
            parts.append(wire.milliseconds(consumer.active_ms))
        parts.append(wire.length(len(owned[consumer.name])))
        parts += (ID.pack(*entry_id) for entry_id in owned[consumer.name])
    return b"".join(parts)
