"""What an RDB payload says, as plain Python values (pure); no word about how it is stored.

Dictionaries keep the order of the payload. Times are milliseconds since the Unix epoch. A stream ID
is a pair: milliseconds and sequence number, 64 bits each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

StreamId = tuple[int, int]
# An entry's fields and values in turn.
StreamFields = tuple[bytes, ...]


class RdbString(NamedTuple):
    payload: bytes


class RdbList(NamedTuple):
    elements: list[bytes]


class RdbSet(NamedTuple):
    """`is_listpack` if its encoding was one, and its order means something."""

    members: list[bytes]
    is_listpack: bool = False


class RdbSortedSet(NamedTuple):
    """`scores` maps each member to its score, which is never NaN."""

    scores: dict[bytes, float]


class RdbHash(NamedTuple):
    """`deadlines` maps those fields that expire to when they do."""

    fields: dict[bytes, bytes]
    deadlines: dict[bytes, int]


class RdbPending(NamedTuple):
    """An entry that was delivered and not acknowledged: to whom, when, and how often."""

    consumer: bytes
    delivered_ms: int
    delivery_count: int


class RdbConsumer(NamedTuple):
    """`active_ms` is -1 if the consumer never got or claimed an entry."""

    name: bytes
    seen_ms: int
    active_ms: int


class RdbGroup(NamedTuple):
    """`entries_read` is None where it is not known; `pending` is in the order of IDs."""

    name: bytes
    last_id: StreamId
    entries_read: int | None
    consumers: list[RdbConsumer]
    pending: dict[StreamId, RdbPending]


class RdbStream(NamedTuple):
    """`entries` come in the order of their IDs; `entry_count` says how many.

    `entries_added` counts all that ever were; `max_deleted_id` is the greatest ID that was removed.
    """

    entry_count: int
    entries: Iterable[tuple[StreamId, StreamFields]]
    first_id: StreamId
    last_id: StreamId
    max_deleted_id: StreamId
    entries_added: int
    groups: list[RdbGroup]


RdbValue = RdbString | RdbList | RdbSet | RdbSortedSet | RdbHash | RdbStream
