"""Sets that are stored member by member (pure). Specified in formats/keys.md.

    member   "s" | version u64 | crc32c(member) u32 | member   ->  (empty)

The members are in the order of their hashes, so a cursor is a hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random

from kiwi_engine.checksum import crc32c_unchecked as crc32c
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.sets.encoding import expecting, with_member
from kiwi_engine.keyspace.spread import element_scan
from kiwi_engine.keyspace.spread.roots import HASHTABLE, INTSET, Root
from kiwi_engine.keyspace.spread.versions import MEMBERS, element_prefix


def order_of(member: bytes) -> bytes:
    """The place of a member among those of a spread set, and the end of its key."""
    return crc32c(member).to_bytes(4, "big") + member


class SpreadSet:
    """A large set: every question is a look-up, every change a write; `save` writes the root."""

    __slots__ = ("_db", "_key", "_prefix", "root")

    def __init__(self, db: Database, key: bytes, root: Root) -> None:
        self._db = db
        self._key = key
        self._prefix = element_prefix(MEMBERS, root.version)
        self.root = root

    @property
    def count(self) -> int:
        return self.root.count

    def contains(self, member: bytes) -> bool:
        return self._db.store.head(self._prefix + order_of(member)) is not None

    def contains_each(self, members: Sequence[bytes]) -> list[bool]:
        head = self._db.store.head
        return [head(stored_key) is not None for stored_key in self._fetched(members)]

    def in_reply_order(self) -> list[bytes]:
        """All members; in memory at once, as the reply that needs them will be."""
        members = [place[4:] for place in self.places()]
        if self.root.encoding == INTSET:
            members.sort(key=int)
        return members

    def places(self) -> Iterator[bytes]:
        """`order_of` each member, sorted; consume or drop it before the next write."""
        end = element_prefix(MEMBERS, self.root.version + 1)
        start = len(self._prefix)
        return (key[start:] for key, _ in self._db.store.range(self._prefix, end))

    def expect(self, added_count: int) -> None:
        """As that of `PackedSet`."""
        self.root.encoding = expecting(self.root.encoding, added_count, self._db.limits)

    def add(self, member: bytes) -> bool:
        """Whether it is new."""
        return self._add(member, self._prefix + order_of(member))

    def add_all(self, members: Sequence[bytes]) -> int:
        """How many are new."""
        return sum(map(self._add, members, self._fetched(members)))

    def _add(self, member: bytes, stored_key: bytes) -> bool:
        if self._db.store.head(stored_key) is not None:
            return False
        root = self.root
        if root.encoding != HASHTABLE:
            members = (place[4:] for place in self.places())
            root.encoding = with_member(root.encoding, root.count, member, members, self._db.limits)
        self._db.store.put(stored_key, b"")
        root.count += 1
        return True

    def remove(self, member: bytes) -> bool:
        """Whether it was there."""
        return self._remove(self._prefix + order_of(member))

    def remove_all(self, members: Sequence[bytes]) -> int:
        """How many were there."""
        return sum(map(self._remove, self._fetched(members)))

    def _remove(self, stored_key: bytes) -> bool:
        if self._db.store.head(stored_key) is None:
            return False
        self._db.store.delete(stored_key)
        self.root.count -= 1
        return True

    def pick(self, random: Random) -> bytes:
        """Any member, each with the same chance."""
        return self._member(element_scan.pick(self._db.store, self._prefix, self.count, random))

    def sample(self, count: int, random: Random) -> list[bytes]:
        """`count` different members, fewer than there are."""
        keys = element_scan.sample(self._db.store, self._prefix, self.count, count, random)
        return [self._member(key) for key in keys]

    def sample_repeating(self, count: int, random: Random) -> list[bytes]:
        """`count` members, each picked from all of them."""
        store, total = self._db.store, self.count
        keys = element_scan.sample_repeating(store, self._prefix, total, count, random)
        return [self._member(key) for key in keys]

    def scan(self, cursor: int, page_count: int) -> tuple[int, list[bytes]]:
        """The cursor of the next page (0: there is none) and the members of this one."""
        page = element_scan.page(self._db.store, self._prefix, cursor, page_count)
        return page.cursor, [self._member(key) for key, _ in page.rows]

    def save(self) -> None:
        """Write the root; without members the key goes."""
        if self.root.count:
            self._db.save(self._key, self.root)
        else:
            self._db.drop(self._key, self.root)

    def _member(self, stored_key: bytes) -> bytes:
        return stored_key[len(self._prefix) + 4 :]

    def _fetched(self, members: Sequence[bytes]) -> list[bytes]:
        """Where members are or would be stored; what is there is in memory now."""
        prefix = self._prefix
        stored_keys = [prefix + order_of(member) for member in members]
        if len(stored_keys) > 1:
            self._db.store.prefetch(stored_keys)
        return stored_keys


def spread_out(db: Database, key: bytes, root: Root, members: Iterable[bytes]) -> None:
    """Write `members` below a new version of `root`, which the caller saves."""
    db.spread(key, root)
    prefix = element_prefix(MEMBERS, root.version)
    for member in members:
        db.store.put(prefix + order_of(member), b"")
        root.count += 1
