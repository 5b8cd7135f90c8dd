"""What was denied lately, as ACL LOG tells it (pure; one thread owns a `DenialLog`)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from kiwi_engine.acl.permission import Reason
from kiwi_engine.keyspace.numerals.doubles import double_text
from kiwi_engine.resp import reply

# Equal denials are one entry while they follow one another within this time...
MERGED_WITHIN_MS: Final = 60_000
# ...and no more than this many entries are newer.
_LOOKED_THROUGH: Final = 10


class Where(Enum):
    """Where a denied command came from."""

    CLIENT = "toplevel"
    TRANSACTION = "multi"
    SCRIPT = "lua"


class LoggedDenial(NamedTuple):
    """What was denied at `at_ms` of the wall clock; `client` is a line of CLIENT LIST."""

    reason: Reason
    where: Where
    subject: bytes
    user: bytes
    client: bytes
    at_ms: int


class Entry(msgspec.Struct):
    """`client` is the line of CLIENT LIST when it happened last; times are wall-clock ms."""

    number: int
    reason: Reason
    where: Where
    subject: bytes
    user: bytes
    client: bytes
    created_ms: int
    updated_ms: int
    count: int = 1

    def is_like(self, other: Entry) -> bool:
        """Whether both tell of the same thing, soon after one another."""
        return (
            (self.reason, self.where, self.subject, self.user)
            == (other.reason, other.where, other.subject, other.user)
        ) and abs(self.updated_ms - other.updated_ms) <= MERGED_WITHIN_MS


class DenialLog:
    """The newest entries, newest first, and how often each reason was met since the start."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._next_number = 0
        self.counts: Counter[Reason] = Counter()

    def add(self, denial: LoggedDenial, entries_max: int) -> None:
        """No more than `entries_max` entries are kept."""
        reason, where, subject, user, client, now_ms = denial
        self.counts[reason] += 1
        entry = Entry(self._next_number, reason, where, subject, user, client, now_ms, now_ms)
        known = self._like(entry)
        if known is None:
            self._next_number += 1
            self._entries.appendleft(entry)
        else:
            self._entries.remove(known)
            known.count += 1
            known.client = client
            known.updated_ms = now_ms
            self._entries.appendleft(known)
        while len(self._entries) > entries_max:
            self._entries.pop()

    def newest(self, count: int) -> Sequence[Entry]:
        return [entry for entry, _ in zip(self._entries, range(count), strict=False)]

    def clear(self) -> None:
        """Numbers go on."""
        self._entries.clear()

    def _like(self, entry: Entry) -> Entry | None:
        for each in self.newest(_LOOKED_THROUGH):
            if each.is_like(entry):
                return each
        return None


def entry_reply(entry: Entry, now_ms: int, resp3: bool) -> bytes:
    """One element of ACL LOG."""
    age_seconds = double_text((now_ms - entry.updated_ms) / 1000)
    fields: dict[bytes, bytes] = {
        b"count": reply.integer(entry.count),
        b"reason": reply.bulk(entry.reason.word.encode()),
        b"context": reply.bulk(entry.where.value.encode()),
        b"object": reply.bulk(entry.subject),
        b"username": reply.bulk(entry.user),
        b"age-seconds": b",%b\r\n" % age_seconds if resp3 else reply.bulk(age_seconds),
        b"client-info": reply.bulk(entry.client),
        b"entry-id": reply.integer(entry.number),
        b"timestamp-created": reply.integer(entry.created_ms),
        b"timestamp-last-updated": reply.integer(entry.updated_ms),
    }
    flat = [part for name, value in fields.items() for part in (reply.bulk(name), value)]
    return reply.mapping(resp3, flat)
