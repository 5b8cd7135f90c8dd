"""Hashes in a keyspace with tiny limits, and what must hold of their stored bytes."""

from __future__ import annotations

import pytest

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.hashes.opening import Hash, open_hash, open_or_new
from kiwi_engine.keyspace.hashes.rows import decode_row, due_key, parse_field_key
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.spread.roots import decode_root, field_deadline_of
from kiwi_engine.keyspace.spread.versions import (
    FIELD_DEADLINES,
    FIELDS,
    TABLES,
    element_prefix,
    parse_registry_key,
)
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import NOW, check_structure, new_keyspace

FORMS = pytest.mark.parametrize("packed_max_entries", [1000, 1], ids=["packed", "spread"])
LATER = NOW + 1000


def small_keyspace(store: MemoryStore, packed_max_entries: int) -> Keyspace:
    keyspace = new_keyspace(store)
    limits = keyspace.limits
    limits.packed_max_entries = packed_max_entries
    limits.packed_max_bytes = 100_000
    limits.hash_max_listpack_entries = 5
    limits.hash_max_listpack_value = 15
    return keyspace


def filled(database: Database, key: bytes, fields: bytes | list[bytes]) -> Hash:
    """A hash of `fields`, each with itself as its value."""
    found = open_or_new(database, key, NOW)
    for field in [bytes((byte,)) for byte in fields] if isinstance(fields, bytes) else fields:
        found.set(field, field)
    found.save()
    return reopened(database, key)


def reopened(database: Database, key: bytes, now_ms: int = NOW) -> Hash:
    found = open_hash(database, key, now_ms)
    assert found is not None
    return found


def check_hashes(store: MemoryStore) -> None:
    """What must hold of the stored bytes at all times."""
    check_structure(store)
    entries = store.snapshot()
    elements = {table for tables in TABLES.values() for table in tables}
    explained = set()
    for key, value in entries.items():
        if key[:1] != b"d" or encoding.kind_of(value) != encoding.HASH_KIND:
            continue
        namespace, name = int.from_bytes(key[1:5], "big"), encoding.user_key(key)
        if first_ms := field_deadline_of(value):
            assert encoding.field_expiry_key(first_ms, namespace, name) in entries
        if encoding.is_spread(value):
            explained |= check_spread(entries, value)
    registered = {parse_registry_key(key) for key in entries if key[:1] == b"c"}
    for key in entries:
        if key[:1] in elements:
            is_orphan = int.from_bytes(key[1:9], "big") in registered
            assert key in explained or is_orphan, f"{key!r} belongs to nothing"


def check_spread(entries: dict[bytes, bytes], value: bytes) -> set[bytes]:
    """That a root and its elements agree; the keys of these."""
    root = decode_root(value)
    prefix = element_prefix(FIELDS, root.version)
    due_prefix = element_prefix(FIELD_DEADLINES, root.version)
    rows = {key: decode_row(row) for key, row in entries.items() if key.startswith(prefix)}
    assert len(rows) == root.count
    deadlines = {parse_field_key(key): row.deadline_ms for key, row in rows.items()}
    expected = {due_key(due_prefix, at_ms, field) for field, at_ms in deadlines.items() if at_ms}
    assert {key for key in entries if key.startswith(due_prefix)} == expected
    first_ms = int.from_bytes(root.body[:8], "big")
    assert all(first_ms and first_ms <= at_ms for at_ms in deadlines.values() if at_ms)
    return expected | set(rows)
