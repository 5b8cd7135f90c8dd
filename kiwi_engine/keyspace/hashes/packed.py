"""A small hash: decoded once, changed in memory, written as a whole by `save` (pure).

body     MessagePack map of field -> value              (encodings LISTPACK, HASHTABLE)
body     earliest deadline u64 | MessagePack array of
         that map and a map of field -> deadline        (encodings LISTPACK_EX, HASHTABLE_EX)
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

import msgspec

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.hashes.encoding import expecting, with_deadlines, with_field
from kiwi_engine.keyspace.hashes.spread import SpreadHash
from kiwi_engine.keyspace.spread import element_scan
from kiwi_engine.keyspace.spread.roots import LISTPACK_EX, Root

_Fields = dict[bytes, bytes]
_Deadlines = dict[bytes, int]
_Pair = tuple[bytes, bytes]

_U64: Final = struct.Struct(">Q")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Fields).decode
_decode_expiring: Final = msgspec.msgpack.Decoder(tuple[_Fields, _Deadlines]).decode


class PackedHash:
    """What has expired is not there, and is forgotten by the next `save`."""

    __slots__ = ("_db", "_deadlines", "_fields", "_first_deadline_ms", "_key", "expired", "root")

    def __init__(self, db: Database, key: bytes, root: Root, now_ms: int) -> None:
        self._db = db
        self._key = key
        self.root = root
        # How many fields had expired when the hash was opened.
        self.expired = 0
        self._first_deadline_ms = 0
        self._deadlines: _Deadlines = {}
        if root.encoding < LISTPACK_EX:
            self._fields: _Fields = _decode(root.body) if root.body else {}
        else:
            self._first_deadline_ms = int.from_bytes(root.body[:8], "big")
            self._fields, self._deadlines = _decode_expiring(root.body[8:])
            if 0 < self._first_deadline_ms < now_ms:
                self._forget_expired(now_ms)

    @property
    def count(self) -> int:
        return len(self._fields)

    @property
    def count_at_most(self) -> int:
        """As that of `SpreadHash`."""
        return len(self._fields)

    @property
    def stored_count(self) -> int:
        """As that of `SpreadHash`."""
        return len(self._fields)

    def prefetch(self, fields: Sequence[bytes]) -> None:
        """All fields are in memory."""

    def get(self, field: bytes) -> bytes | None:
        return self._fields.get(field)

    def has(self, field: bytes) -> bool:
        return field in self._fields

    def deadline(self, field: bytes) -> int | None:
        """When `field` expires, 0 if never, None if there is no such field."""
        return self._deadlines.get(field, 0) if field in self._fields else None

    def fields(self) -> Iterable[bytes]:
        """All fields, in the order of replies."""
        return self._fields

    def items(self) -> Iterable[_Pair]:
        """All fields with their values, in the order of replies."""
        return self._fields.items()

    def triples(self) -> Iterable[tuple[bytes, bytes, int]]:
        """As `items`, each with its deadline, 0 if it has none."""
        deadline_of = self._deadlines.get
        return ((field, value, deadline_of(field, 0)) for field, value in self._fields.items())

    def scan(self, cursor: int, count: int) -> tuple[int, Iterable[_Pair]]:
        """All fields at once, as Redis does with small hashes."""
        return element_scan.PAGES_END, self.items()

    def pick(self, random: Random) -> bytes | None:
        """Any field, each with the same chance; None if there is none."""
        return random.choice(list(self._fields)) if self._fields else None

    def sample(self, count: int, random: Random) -> list[_Pair]:
        """`count` different fields, or all if there are fewer, in the order of replies."""
        places = sorted(random.sample(range(self.count), min(count, self.count)))
        items = list(self.items())
        return [items[place] for place in places]

    def sample_repeating(self, count: int, random: Random) -> list[_Pair]:
        """`count` fields, each picked from all of them; none if there is none."""
        return random.choices(list(self.items()), k=count) if self._fields else []

    def expect(self, field_count: int) -> None:
        """A command is about to set so many fields: what Redis changes beforehand."""
        self.root.encoding = expecting(self.root.encoding, field_count, self._db.limits)

    def set(self, field: bytes, value: bytes) -> bool:
        """Whether `field` is new. It will not expire."""
        is_new = field not in self._fields
        if self._deadlines.pop(field, 0):
            del self._fields[field]  # as in Redis: with its deadline it loses its place
        self.update(field, value)
        return is_new

    def update(self, field: bytes, value: bytes) -> None:
        """Set `field`, which expires when it would have."""
        fields, root = self._fields, self.root
        fields[field] = value
        root.encoding = with_field(root.encoding, len(fields), field, value, self._db.limits)

    def set_deadline(self, field: bytes, deadline_ms: int) -> None:
        """Let `field`, which there is, expire at another time; 0 is never."""
        self._fields[field] = self._fields.pop(field)
        if deadline_ms:
            self.root.encoding = with_deadlines(self.root.encoding)
            self._deadlines[field] = deadline_ms
        else:
            self._deadlines.pop(field, None)

    def delete(self, field: bytes) -> bool:
        """Whether `field` was there."""
        self._deadlines.pop(field, None)
        return self._fields.pop(field, None) is not None

    def remove_expired(self, limit: int) -> int:
        """How many fields had expired when the hash was opened; `save` will forget them."""
        return self.expired

    def save(self) -> None:
        """Write the hash; without fields the key goes. A large one becomes spread."""
        db, root, limits = self._db, self.root, self._db.limits
        if self.expired:
            db.fields_expired(self._key)
        if not self._fields:
            db.drop(self._key, root)
            self._note_first_deadline(0)
            return
        if root.encoding < LISTPACK_EX:
            root.body = _encode(self._fields)
            first_ms = 0
        else:
            self._order_by_deadline()
            first_ms = min(self._deadlines.values(), default=0)
            root.body = _U64.pack(first_ms) + _encode((self._fields, self._deadlines))
        if self.count > limits.packed_max_entries or len(root.body) > limits.packed_max_bytes:
            self._spread()
        else:
            db.save(self._key, root)
            self._note_first_deadline(first_ms)

    def _spread(self) -> None:
        spread = SpreadHash.replacing(self._db, self._key, self.root, self._first_deadline_ms)
        for field, value in self._fields.items():
            spread.add(field, value, self._deadlines.get(field, 0))
        spread.save()

    def _note_first_deadline(self, deadline_ms: int) -> None:
        self._db.move_field_expiry(self._key, self._first_deadline_ms, deadline_ms)
        self._first_deadline_ms = deadline_ms

    def _order_by_deadline(self) -> None:
        """Redis keeps such listpacks so; the rest of the order stays."""
        if self.root.encoding == LISTPACK_EX and self._deadlines:
            due = self._deadlines
            ordered = sorted(self._fields, key=lambda field: due.get(field, math.inf))
            self._fields = {field: self._fields[field] for field in ordered}

    def _forget_expired(self, now_ms: int) -> None:
        expired = [field for field, due_ms in self._deadlines.items() if due_ms < now_ms]
        for field in expired:
            self.delete(field)
        self.expired = len(expired)
