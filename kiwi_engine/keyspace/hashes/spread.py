"""A large hash: every question is a look-up, every change a write; `save` writes the root (pure).

    body     earliest deadline u64 | order of the next new field u64

Fields lie in the order of their hashes. As long as the encoding is a listpack, of which Redis fixes
the order, each field also remembers its place in that. The deadlines are kept by
`hash_deadlines`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Final

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.hashes.deadlines import FieldDeadlines
from kiwi_engine.keyspace.hashes.encoding import expecting, is_listpack, with_deadlines, with_field
from kiwi_engine.keyspace.hashes.rows import (
    PLAIN_ROW,
    FieldRow,
    decode_row,
    encode_row,
    field_key,
    parse_field_key,
)
from kiwi_engine.keyspace.spread import element_scan
from kiwi_engine.keyspace.spread.roots import Root
from kiwi_engine.keyspace.spread.versions import FIELDS, element_prefix

_Pair = tuple[bytes, bytes]
_Walk = Callable[[bytes, bytes], Iterator[_Pair]]

_BODY: Final = struct.Struct(">QQ")

# More fields that have expired and are not removed yet are not looked at for a count.
EXPIRED_COUNTED_MAX: Final = 10_000


class SpreadHash:
    """What has expired is not there, though it stays stored until `remove_expired`."""

    __slots__ = (
        "_db", "_deadlines", "_indexed_deadline_ms", "_is_changed", "_key", "_next_order",
        "_prefix", "_store", "root",
    )  # fmt: skip

    def __init__(self, db: Database, key: bytes, root: Root, now_ms: int) -> None:
        self._db = db
        self._store = db.store
        self._key = key
        self.root = root
        self._prefix = element_prefix(FIELDS, root.version)
        first_deadline_ms, self._next_order = _BODY.unpack(root.body)
        self._deadlines = FieldDeadlines(db.store, root.version, first_deadline_ms, now_ms)
        # The deadline by which the index knows this hash.
        self._indexed_deadline_ms: int = first_deadline_ms
        self._is_changed = False

    @classmethod
    def replacing(cls, db: Database, key: bytes, root: Root, deadline_ms: int) -> SpreadHash:
        """An empty hash in place of a packed one, whose earliest deadline was `deadline_ms`."""
        db.spread(key, root)
        root.body = _BODY.pack(0, 1)
        spread = cls(db, key, root, 0)
        spread._indexed_deadline_ms = deadline_ms
        return spread

    @property
    def count(self) -> int:
        """How many fields there are; costs a walk over those that have expired."""
        return self.root.count - self._deadlines.expired_count(self.root.count)

    @property
    def count_at_most(self) -> int:
        """The same, but too high if more than `EXPIRED_COUNTED_MAX` expired ones are still stored.

        A walk over a million of them would keep everybody waiting.
        """
        return self.root.count - self._deadlines.expired_count(EXPIRED_COUNTED_MAX)

    @property
    def stored_count(self) -> int:
        """How many fields are stored, expired ones included; without any the key goes."""
        return self.root.count

    def prefetch(self, fields: Sequence[bytes]) -> None:
        """Bring `fields` into memory with one batched read."""
        if len(fields) > 1:
            self._store.prefetch([field_key(self._prefix, field) for field in fields])

    def get(self, field: bytes) -> bytes | None:
        stored = self._store.get(field_key(self._prefix, field))
        if stored is None:
            return None
        if not stored[0]:
            return stored[1:]
        row = decode_row(stored)
        return None if self._has_expired(row) else row.value

    def has(self, field: bytes) -> bool:
        return self.deadline(field) is not None

    def deadline(self, field: bytes) -> int | None:
        """When `field` expires, 0 if never, None if there is no such field."""
        row = self._row(field_key(self._prefix, field))
        return None if row is None or self._has_expired(row) else row.deadline_ms

    def fields(self) -> Iterable[bytes]:
        """All fields, in the order of replies; consume or drop it before the next write."""
        if is_listpack(self.root.encoding):
            return [field for field, _ in self.items()]
        return (field for field, _ in self._rows(self._store.range))

    def items(self) -> Iterable[_Pair]:
        """All fields with their values; consume or drop it before the next write."""
        return ((field, row.value) for field, row in self._ordered_rows())

    def triples(self) -> Iterable[tuple[bytes, bytes, int]]:
        """As `items`, each with its deadline, 0 if it has none."""
        return ((field, row.value, row.deadline_ms) for field, row in self._ordered_rows())

    def scan(self, cursor: int, count: int) -> tuple[int, Iterable[_Pair]]:
        """The cursor of the next page (0: there is none) and the fields of this one."""
        if is_listpack(self.root.encoding):
            return element_scan.PAGES_END, self.items()
        page = element_scan.page(self._store, self._prefix, cursor, count)
        rows = ((parse_field_key(key), decode_row(stored)) for key, stored in page.rows)
        items = [(field, row.value) for field, row in rows if not self._has_expired(row)]
        return page.cursor, items

    def pick(self, random: Random) -> bytes | None:
        """Any field, each with the same chance; None if there is none."""
        return next(iter(self._sample(1, random)), None)

    def sample(self, count: int, random: Random) -> list[_Pair]:
        """`count` different fields, or all if there are fewer."""
        return self._valued(self._sample(count, random))

    def sample_repeating(self, count: int, random: Random) -> list[_Pair]:
        """`count` fields, each picked from all of them; none if there is none."""
        drawn = self._sample(count, random)
        if not drawn:
            return []
        total = self.count_at_most if len(drawn) == count else len(drawn)
        return self._valued(element_scan.repeating(drawn, total, count, random))

    def expect(self, field_count: int) -> None:
        """As that of `PackedHash`."""
        self._change_encoding(expecting(self.root.encoding, field_count, self._db.limits))

    def set(self, field: bytes, value: bytes) -> bool:
        """Whether `field` is new. It will not expire."""
        stored_key = field_key(self._prefix, field)
        row = self._row(stored_key)
        self._put(stored_key, field, value, row, 0)
        return row is None or self._has_expired(row)

    def update(self, field: bytes, value: bytes) -> None:
        """Set `field`, which expires when it would have."""
        stored_key = field_key(self._prefix, field)
        row = self._row(stored_key)
        deadline_ms = 0
        if row is not None and not self._has_expired(row):
            deadline_ms = row.deadline_ms
        self._put(stored_key, field, value, row, deadline_ms)

    def add(self, field: bytes, value: bytes, deadline_ms: int) -> None:
        """Write a field of which it is known that it is not there."""
        self._put(field_key(self._prefix, field), field, value, None, deadline_ms)

    def set_deadline(self, field: bytes, deadline_ms: int) -> None:
        """Let `field`, which there is, expire at another time; 0 is never."""
        if deadline_ms:
            self._change_encoding(with_deadlines(self.root.encoding))
        stored_key = field_key(self._prefix, field)
        stored = self._store.get(stored_key)
        assert stored is not None, "only a field that is there can expire"
        # Whatever the deadline, as in Redis the field goes behind those of the same.
        row = decode_row(stored)._replace(order=0)
        self._put(stored_key, field, row.value, row, deadline_ms)

    def delete(self, field: bytes) -> bool:
        """Whether `field` was there."""
        row = self._row(field_key(self._prefix, field))
        if row is None or self._has_expired(row):
            return False
        self._remove(field, row.deadline_ms)
        return True

    def remove_expired(self, limit: int) -> int:
        """Remove up to `limit` fields that have expired; how many these were."""
        expired = self._deadlines.expired(limit)
        for deadline_ms, field in expired:
            self._remove(field, deadline_ms)
        if expired:
            self._db.fields_expired(self._key)
        return len(expired)

    def save(self) -> None:
        """Write the root if it has changed; without fields the key goes."""
        db, root, deadlines = self._db, self.root, self._deadlines
        if not self._is_changed and deadlines.first_ms == self._indexed_deadline_ms:
            return
        if root.count:
            root.body = _BODY.pack(deadlines.first_ms, self._next_order)
            db.save(self._key, root)
        else:
            deadlines.first_ms = 0
            db.drop(self._key, root)
        db.move_field_expiry(self._key, self._indexed_deadline_ms, deadlines.first_ms)
        self._indexed_deadline_ms = deadlines.first_ms

    # Rows

    def _row(self, stored_key: bytes) -> FieldRow | None:
        """What is stored of a field; its value may be missing."""
        is_ordered = is_listpack(self.root.encoding)
        stored = self._store.get(stored_key) if is_ordered else self._store.head(stored_key)
        if stored is None:
            return None
        return decode_row(stored) if stored[0] else PLAIN_ROW

    def _rows(self, walk: _Walk) -> Iterator[tuple[bytes, FieldRow]]:
        for key, stored in walk(self._prefix, element_prefix(FIELDS, self.root.version + 1)):
            row = decode_row(stored)
            if not row.deadline_ms or not self._has_expired(row):
                yield parse_field_key(key), row

    def _ordered_rows(self) -> Iterable[tuple[bytes, FieldRow]]:
        """All rows, in the order of replies."""
        rows = self._rows(self._store.scan)
        if is_listpack(self.root.encoding):
            return sorted(rows, key=_place_in_listpack)
        return rows

    def _put(
        self, stored_key: bytes, field: bytes, value: bytes, old: FieldRow | None, deadline_ms: int
    ) -> None:
        """Write a field over what is stored of it."""
        root = self.root
        old_deadline_ms = order = 0
        if old is None:
            root.count += 1
            self._is_changed = True
        else:
            old_deadline_ms, order, _ = old
        encoding = with_field(root.encoding, root.count, field, value, self._db.limits)
        self._change_encoding(encoding)
        if is_listpack(encoding) and (not order or old_deadline_ms != deadline_ms):
            order = self._next_order
            self._next_order += 1
            self._is_changed = True
        self._store.put(stored_key, encode_row(deadline_ms, order, value))
        if old_deadline_ms != deadline_ms:
            self._deadlines.move(field, old_deadline_ms, deadline_ms)

    def _remove(self, field: bytes, deadline_ms: int) -> None:
        self._store.delete(field_key(self._prefix, field))
        self._deadlines.move(field, deadline_ms, 0)
        self.root.count -= 1
        self._is_changed = True

    def _change_encoding(self, encoding: int) -> None:
        if encoding != self.root.encoding:
            self.root.encoding = encoding
            self._is_changed = True

    def _valued(self, fields: Iterable[bytes]) -> list[_Pair]:
        """`fields`, which there are and may repeat, with their values."""
        chosen = list(fields)
        self.prefetch(chosen)
        return [(field, self.get(field) or b"") for field in chosen]

    def _sample(self, count: int, random: Random) -> list[bytes]:
        """`count` different fields, or all if there are fewer, in any order."""
        total, expired = self.root.count, self._deadlines.expired_count(EXPIRED_COUNTED_MAX)
        # So many more that enough of them live.
        drawn = min(total, count + expired)
        keys = element_scan.sample(self._store, self._prefix, total, drawn, random)
        fields = list(map(parse_field_key, keys))
        if expired:
            self.prefetch(fields)
            fields = list(filter(self.has, fields))
            if len(fields) < count and expired == EXPIRED_COUNTED_MAX:
                fields = list(self.fields())
            random.shuffle(fields)
        return fields[:count]

    def _has_expired(self, row: FieldRow) -> bool:
        return self._deadlines.is_over(row.deadline_ms)


def _place_in_listpack(entry: tuple[bytes, FieldRow]) -> tuple[float, int]:
    """Where Redis keeps a field: by deadline, if it has one, then by age."""
    row = entry[1]
    return row.deadline_ms or math.inf, row.order
