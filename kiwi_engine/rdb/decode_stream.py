"""A stream in RDB format (pure).

    count | (node ID string | node listpack string) ... | length | last ID
          | first ID | greatest deleted ID | entries ever added        from the second form on
          | count of groups | group ...

    group     name | last ID | entries read, from the second form on
              | count | (ID 16 bytes | delivered i64 | deliveries) ...           all that is pending
              | count | (name | seen i64 | active i64, third form | count | ID 16 bytes ...) ...

    node      entries, deleted entries, fields of its first entry: count, names, 0
              then entry by entry, with how many elements it has at its end:
              flags, distance of the milliseconds and of the sequence number to the node's ID,
              if the names are the same: values; otherwise count of fields, (name, value) ...

Source: the comments in Redis' t_stream.c and rdb.c. An ID in a node or in `pending` is two
big-endian u64; otherwise it is two lengths.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import kinds, listpack
from kiwi_engine.rdb.values import (
    RdbConsumer,
    RdbGroup,
    RdbPending,
    RdbStream,
    StreamFields,
    StreamId,
)
from kiwi_engine.rdb.wire import Reader

ID: Final = struct.Struct(">QQ")
FLAG_DELETED: Final = 1
FLAG_SAME_FIELDS: Final = 2
UNKNOWN_COUNT: Final = 2**64 - 1
NEVER: Final = -1
_ZERO_ID: Final = (0, 0)
_U64_MAX: Final = 2**64 - 1
_I64_MIN: Final = -(2**63)
_I64_MAX: Final = 2**63 - 1


def decode_stream(reader: Reader, kind: int) -> RdbStream:
    """A stream in the form `kind`, behind its type byte."""
    entries = _entries(reader)
    length = reader.length()
    if length != len(entries):
        raise PayloadError("a stream has another length")
    last_id = _id(reader)
    if entries and not _ZERO_ID < entries[0][0] <= entries[-1][0] <= last_id:
        raise PayloadError("an ID of a stream is out of range")
    first_id, max_deleted_id = entries[0][0] if entries else _ZERO_ID, _ZERO_ID
    entries_added = length
    if kind >= kinds.STREAM_2:
        first_id, max_deleted_id, entries_added = _id(reader), _id(reader), _count(reader)
    groups: dict[bytes, RdbGroup] = {}
    for _ in range(reader.length()):
        group = _group(reader, kind)
        if kind < kinds.STREAM_2:
            entries_read = _estimated_read(group.last_id, first_id, last_id, length)
            group = group._replace(entries_read=entries_read)
        if group.name in groups:
            raise PayloadError("a group stands twice in a stream")
        groups[group.name] = group
    return RdbStream(
        length, entries, first_id, last_id, max_deleted_id, entries_added, list(groups.values())
    )


def _id(reader: Reader) -> StreamId:
    return reader.length(), reader.length()


def _count(reader: Reader) -> int:
    """A number that is signed in Redis' memory, but never negative."""
    number = reader.length()
    if number > _I64_MAX:
        raise PayloadError("a count of a stream is out of range")
    return number


def _time(reader: Reader) -> int:
    time_ms = reader.milliseconds()
    if time_ms < 0:
        raise PayloadError("a time of a stream is negative")
    return time_ms


def _entries(reader: Reader) -> list[tuple[StreamId, StreamFields]]:
    """The entries of all nodes, which must be in order."""
    entries: list[tuple[StreamId, StreamFields]] = []
    for _ in range(reader.length()):
        node_id = reader.string()
        if len(node_id) != ID.size:
            raise PayloadError("the ID of a stream's node is not 16 bytes long")
        entries += _Node(ID.unpack(node_id), listpack.unpack(reader.string())).entries()
    if any(left[0] >= right[0] for left, right in pairwise(entries)):
        raise PayloadError("the entries of a stream are not in order")
    return entries


class _Node:
    """Walks over the elements of one node."""

    def __init__(self, node_id: StreamId, elements: list[bytes]) -> None:
        self._milliseconds, self._sequence = node_id
        self._elements = elements
        self._at = 0

    def entries(self) -> list[tuple[StreamId, StreamFields]]:
        """Those that were not deleted."""
        valid, deleted = self._number(), self._number()
        names = self._take(self._number())
        if self._number():
            raise PayloadError("the first entry of a stream's node has no end")
        found = []
        for _ in range(valid + deleted):
            start = self._at
            is_deleted, entry_id, fields = self._entry(names)
            if self._at - start != self._number():
                raise PayloadError("an entry of a stream has another size")
            if not is_deleted:
                found.append((entry_id, fields))
        if len(found) != valid or self._at != len(self._elements):
            raise PayloadError("a stream's node contradicts its header")
        return found

    def _entry(self, names: list[bytes]) -> tuple[bool, StreamId, StreamFields]:
        flags = self._number()
        # Distances are stored as signed numbers of 64 bits, and so wrap around.
        milliseconds = (self._milliseconds + self._number(_I64_MIN)) & _U64_MAX
        sequence = (self._sequence + self._number(_I64_MIN)) & _U64_MAX
        if flags & FLAG_SAME_FIELDS:
            values = self._take(len(names))
            fields = [word for pair in zip(names, values, strict=True) for word in pair]
        else:
            fields = self._take(2 * self._number())
        return bool(flags & FLAG_DELETED), (milliseconds, sequence), tuple(fields)

    def _number(self, low: int = 0) -> int:
        (text,) = self._take(1)
        if not text.removeprefix(b"-").isdigit() or len(text) > 20 or int(text) < low:
            raise PayloadError("a number is missing in a stream")
        return int(text)

    def _take(self, count: int) -> list[bytes]:
        taken = self._elements[self._at : self._at + count]
        if len(taken) != count:
            raise PayloadError("a stream's node ends early")
        self._at += count
        return taken


def _group(reader: Reader, kind: int) -> RdbGroup:
    name, last_id = reader.string(), _id(reader)
    entries_read = reader.length() if kind >= kinds.STREAM_2 else UNKNOWN_COUNT
    if _I64_MAX < entries_read != UNKNOWN_COUNT:
        raise PayloadError("a group has read more entries than there can be")
    delivered: dict[StreamId, tuple[int, int]] = {}
    for _ in range(reader.length()):
        entry_id = ID.unpack(reader.take(ID.size))
        if entry_id in delivered:
            raise PayloadError("an entry is pending twice")
        delivered[entry_id] = (_time(reader), _count(reader))
    pending: dict[StreamId, RdbPending] = {}
    consumers: dict[bytes, RdbConsumer] = {}
    for _ in range(reader.length()):
        consumer = _consumer(reader, kind)
        if consumer.name in consumers:
            raise PayloadError("a consumer stands twice in a group")
        consumers[consumer.name] = consumer
        for _ in range(reader.length()):
            entry_id = ID.unpack(reader.take(ID.size))
            if entry_id in pending or entry_id not in delivered:
                raise PayloadError("the pending entries of a group and its consumers differ")
            pending[entry_id] = RdbPending(consumer.name, *delivered[entry_id])
    if len(pending) != len(delivered):
        raise PayloadError("a pending entry has no consumer")
    return RdbGroup(
        name,
        last_id,
        None if entries_read == UNKNOWN_COUNT else entries_read,
        list(consumers.values()),
        dict(sorted(pending.items())),
    )


def _consumer(reader: Reader, kind: int) -> RdbConsumer:
    name, seen_ms = reader.string(), _time(reader)
    active_ms = max(reader.milliseconds(), NEVER) if kind >= kinds.STREAM_3 else seen_ms
    return RdbConsumer(name, seen_ms, active_ms)


def _estimated_read(
    read_id: StreamId, first_id: StreamId, last_id: StreamId, length: int
) -> int | None:
    """How many entries a group has read, of a stream that does not say; as Redis estimates it."""
    if read_id == last_id or (length == 0 and read_id < last_id):
        return length
    if read_id > last_id:
        return None if length else 0
    if read_id == first_id:
        return 1
    return 0 if read_id < first_id else None
