"""How many bytes a key and its value take as entries of the store (pure).

Counted are the bytes of keys and values as they are written: the root, the entries of a spread
value, and those in the registry and the expiry indexes. What compression saves, and what RocksDB
adds, is not known of a single key. Of a large value some entries are looked at and taken for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import behind
from kiwi_engine.keyspace.hashes.rows import decode_row, due_key, parse_field_key
from kiwi_engine.keyspace.spread import versions
from kiwi_engine.keyspace.spread.roots import Root, decode_root, field_deadline_of
from kiwi_engine.keyspace.streams.format import decode_group

_Row = tuple[bytes, bytes]

ALL: Final = 0
# Entries in these tables are not looked at: they follow from those of another one.
_DERIVED: Final = frozenset((versions.FIELD_DEADLINES,))


def stored_bytes(db: Database, key: bytes, samples: int, now_ms: int) -> int | None:
    """The size of what is stored at `key`, None where no key lives; asking is no use of it.

    `samples` entries of each table are looked at; `ALL`: every one.
    """
    if db.head(key, now_ms) is None:
        return None
    stored_key = db.stored_key(key)
    value = db.store.get(stored_key) or b""
    size = len(stored_key) + len(value)
    deadline_ms = encoding.deadline_of(value)
    if deadline_ms:
        size += len(encoding.expiry_key(deadline_ms, db.namespace, key))
    if encoding.kind_of(value) == encoding.HASH_KIND:
        deadline_ms = field_deadline_of(value)
        if deadline_ms:
            size += len(encoding.field_expiry_key(deadline_ms, db.namespace, key))
    if encoding.is_spread(value):
        root = decode_root(value)
        size += _registry_bytes(db, key, root)
        size += sum(
            _table_bytes(db.store, table, root, samples)
            for table in versions.TABLES[root.kind]
            if table not in _DERIVED
        )
    return size


def _registry_bytes(db: Database, key: bytes, root: Root) -> int:
    home = versions.Home(root.kind, db.namespace, key)
    return len(versions.registry_key(root.version)) + len(versions.encode_home(home))


def _table_bytes(store: Store, table: bytes, root: Root, samples: int) -> int:
    """The size of all entries of a value in one table."""
    prefix = versions.element_prefix(table, root.version)
    rows = store.scan(prefix, behind(prefix))
    if samples == ALL:
        return sum(_row_bytes(table, row) for row in rows)
    seen = list(islice(rows, samples))
    size = sum(_row_bytes(table, row) for row in seen)
    if len(seen) < samples:
        return size
    return size * max(len(seen), _row_count(store, table, root, seen)) // len(seen)


def _row_bytes(table: bytes, row: _Row) -> int:
    """The size of an entry, and of the one that a field's deadline has of its own."""
    key, value = row
    size = len(key) + len(value)
    if table == versions.FIELDS and value[0]:
        deadline_ms = decode_row(value).deadline_ms
        if deadline_ms:
            prefix = versions.element_prefix(versions.FIELD_DEADLINES, 0)
            size += len(due_key(prefix, deadline_ms, parse_field_key(key)))
    return size


def _row_count(store: Store, table: bytes, root: Root, seen: Sequence[_Row]) -> int:
    """How many entries there are in one table, as far as the root and the first ones tell."""
    if table == versions.PAGES:
        # Pages may be missing: as many as at the beginning.
        first_unseen = int.from_bytes(seen[-1][0][-8:], "big") + 1
        page_bytes = int.from_bytes(root.body, "big")
        return len(seen) * -(-root.count // page_bytes) // first_unseen
    if table == versions.RANKS:
        counted = sum(int.from_bytes(value, "big") for _, value in seen)
        return len(seen) * root.count // max(1, counted)
    if table in (versions.GROUPS, versions.PENDING, versions.CONSUMERS):
        return _group_row_count(store, table, root.version)
    return root.count


def _group_row_count(store: Store, table: bytes, version: int) -> int:
    """There are few groups, and they know how many entries belong to each."""
    prefix = versions.element_prefix(versions.GROUPS, version)
    groups = [decode_group(value) for _, value in store.scan(prefix, behind(prefix))]
    if table == versions.GROUPS:
        return len(groups)
    pending = sum(group.pending for group in groups)
    if table == versions.PENDING:
        return pending
    return pending + sum(group.consumers for group in groups)
