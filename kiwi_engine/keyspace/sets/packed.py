"""Sets that are stored as one entry (pure). Specified in formats/keys.md.

    root     MessagePack array of the members, in the order of replies

That order is Redis' own: integers of an intset by size, members of a listpack by age.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Final

import msgspec

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.sets.encoding import expecting, with_member
from kiwi_engine.keyspace.sets.spread import order_of, spread_out
from kiwi_engine.keyspace.spread import element_scan
from kiwi_engine.keyspace.spread.roots import INTSET, Root

decode_members: Final = msgspec.msgpack.Decoder(list[bytes]).decode
encode_members: Final = msgspec.msgpack.Encoder().encode


def is_packed(db: Database, count: int, body: bytes) -> bool:
    """Whether a set of `count` members with that `body` is small enough."""
    limits = db.limits
    return count <= limits.packed_max_entries and len(body) <= limits.packed_max_bytes


class PackedSet:
    """A small set: decoded once, changed in memory, written as a whole by `save`."""

    __slots__ = ("_db", "_key", "_members", "root")

    def __init__(self, db: Database, key: bytes, root: Root, members: Iterable[bytes]) -> None:
        self._db = db
        self._key = key
        self.root = root
        self._members = dict.fromkeys(members)

    @property
    def count(self) -> int:
        return len(self._members)

    def contains(self, member: bytes) -> bool:
        return member in self._members

    def contains_each(self, members: Sequence[bytes]) -> list[bool]:
        known = self._members
        return [member in known for member in members]

    def in_reply_order(self) -> list[bytes]:
        """All members, in the order in which Redis returns them."""
        members = list(self._members)
        if self.root.encoding == INTSET:
            members.sort(key=int)
        return members

    def places(self) -> Iterator[bytes]:
        """`order_of` each member, sorted."""
        return iter(sorted(map(order_of, self._members)))

    def expect(self, added_count: int) -> None:
        """A command is about to add up to so many members: what Redis changes beforehand."""
        self.root.encoding = expecting(self.root.encoding, added_count, self._db.limits)

    def add(self, member: bytes) -> bool:
        """Whether it is new."""
        members = self._members
        if member in members:
            return False
        root = self.root
        encoding = with_member(root.encoding, len(members), member, members, self._db.limits)
        if encoding != root.encoding:
            # Those of an intset keep the order that they had there.
            self._members = members = dict.fromkeys(self.in_reply_order())
            root.encoding = encoding
        members[member] = None
        return True

    def add_all(self, members: Sequence[bytes]) -> int:
        """How many are new."""
        return sum(map(self.add, members))

    def remove(self, member: bytes) -> bool:
        """Whether it was there."""
        if member not in self._members:
            return False
        del self._members[member]
        return True

    def remove_all(self, members: Sequence[bytes]) -> int:
        """How many were there."""
        return sum(map(self.remove, members))

    def pick(self, random: Random) -> bytes:
        """Any member, each with the same chance."""
        return random.choice(list(self._members))

    def sample(self, count: int, random: Random) -> list[bytes]:
        """`count` different members, fewer than there are."""
        return random.sample(list(self._members), count)

    def sample_repeating(self, count: int, random: Random) -> list[bytes]:
        """`count` members, each picked from all of them."""
        return random.choices(list(self._members), k=count)

    def scan(self, cursor: int, page_count: int) -> tuple[int, list[bytes]]:
        """All members, as Redis does with small ones."""
        return element_scan.PAGES_END, self.in_reply_order()

    def save(self) -> None:
        """Write the set; without members the key goes. A large one becomes spread."""
        db, root = self._db, self.root
        if not self._members:
            db.drop(self._key, root)
            return
        root.body = encode_members(self.in_reply_order())
        if not is_packed(db, len(self._members), root.body):
            spread_out(db, self._key, root, self._members)
        db.save(self._key, root)
