"""Versions of spread collections: their numbers, registry and tables (pure).

    registry "c" | version u64   ->  kind u8 | namespace u32 | key
    element  table u8 | version u64 | depends on the table

A version lives if and only if the root of the registered key names it. The registry is written with
the first element and removed after the last one: nothing below a version is ever lost sight of,
however its root went. All elements of a version lie together in each of the kind's tables.
Specified in formats/keys.md.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace import encoding

# One letter a table, so that walking over one does not sort what was written to the others.
PAGES: Final = b"b"
FIELD_DEADLINES: Final = b"f"
FIELDS: Final = b"h"
ELEMENTS: Final = b"l"
RANKS: Final = b"n"
SCORES: Final = b"o"
CONSUMERS: Final = b"q"
GROUPS: Final = b"g"
PENDING: Final = b"p"
MEMBERS: Final = b"s"
STREAM_ENTRIES: Final = b"t"
MEMBER_SCORES: Final = b"z"

TABLES: Final[dict[int, tuple[bytes, ...]]] = {
    encoding.STRING_KIND: (PAGES,),
    encoding.LIST_KIND: (ELEMENTS,),
    encoding.SET_KIND: (MEMBERS,),
    encoding.SORTED_SET_KIND: (MEMBER_SCORES, SCORES, RANKS),
    encoding.HASH_KIND: (FIELDS, FIELD_DEADLINES),
    encoding.STREAM_KIND: (STREAM_ENTRIES, GROUPS, PENDING, CONSUMERS),
}

# What an entry of each table is called.
TABLE_NAMES: Final[dict[bytes, str]] = {
    PAGES: "string page",
    FIELD_DEADLINES: "field deadline",
    FIELDS: "hash field",
    ELEMENTS: "list element",
    RANKS: "sorted set count",
    SCORES: "sorted set score",
    CONSUMERS: "stream consumer",
    GROUPS: "stream group",
    PENDING: "pending stream entry",
    MEMBERS: "set member",
    STREAM_ENTRIES: "stream entry",
    MEMBER_SCORES: "sorted set member",
}
assert set(TABLE_NAMES) == {table for tables in TABLES.values() for table in tables}

# Numbers are taken from the store in lots; what is left of a lot at a restart is never used.
LOT: Final = 1000

_U64: Final = struct.Struct(">Q")
_PREFIX: Final = struct.Struct(">cQ")
_HOME: Final = struct.Struct(">BI")

# `element_prefix(table, version)` begins all keys of one version in one table.
element_prefix = _PREFIX.pack


class Home(NamedTuple):
    """The key whose root names a version, as far as the registry knows."""

    kind: int
    namespace: int
    key: bytes


def registry_key(version: int) -> bytes:
    """Where the home of a version is registered."""
    return _PREFIX.pack(encoding.REGISTRY, version)


def parse_registry_key(stored_key: bytes) -> int:
    """The inverse of `registry_key`."""
    return int.from_bytes(stored_key[1:9], "big")


def encode_home(home: Home) -> bytes:
    """The value of a registry entry."""
    return _HOME.pack(home.kind, home.namespace) + home.key


def decode_home(value: bytes) -> Home:
    """The inverse of `encode_home`."""
    kind, namespace = _HOME.unpack_from(value)
    return Home(kind, namespace, value[_HOME.size :])


class Versions:
    """Gives out version numbers and keeps the registry; only the executing thread touches it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Numbers from the next one up to the end of the lot are free.
        self._next = self._lot_end = 1
        self.reload()

    def skip(self, version: int) -> None:
        """`version` is in use: only greater numbers are given out."""
        if self._next <= version:
            self._next = self._lot_end = version + 1
            self._store.put(encoding.META_NEXT_VERSION, _U64.pack(self._lot_end))

    def reload(self) -> None:
        """Read again what is stored: after a start, and after a rollback of the store."""
        stored = self._store.get(encoding.META_NEXT_VERSION)
        self._next = self._lot_end = 1 if stored is None else int.from_bytes(stored, "big")

    def new(self, home: Home) -> int:
        """A number that was never used, registered for `home`."""
        version = self._next
        if version == self._lot_end:
            self._lot_end += LOT
            self._store.put(encoding.META_NEXT_VERSION, _U64.pack(self._lot_end))
        self._next += 1
        self.move(version, home)
        return version

    def move(self, version: int, home: Home) -> None:
        """The root that names `version` is now that of `home`."""
        self._store.put(registry_key(version), encode_home(home))
