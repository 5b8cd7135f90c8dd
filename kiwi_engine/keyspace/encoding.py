"""Keys and values of the keyspace as bytes in the store (pure). Specified in formats/keys.md.

    data     "d" | namespace u32 | crc32c(key) u32 | key                   ->  value
    expiry   "x" | deadline u64 | namespace u32 | key                      ->  (empty)
    fields   "y" | deadline u64 | namespace u32 | key                      ->  (empty)
    meta     "m" | name                                                    ->  depends on the name
    embedded "e" | key                                                     ->  the value itself

    value    tag u8 | deadline u64, only if the tag is odd | payload

All integers are big-endian, so that the order of bytes is the order of numbers. A deadline is in
milliseconds since the Unix epoch. Because data keys are ordered by hash, a hash is a place in the
database that stays meaningful whatever is written: a SCAN cursor needs no state.

The payload of a string is its bytes; that of a collection is its root, see `spread.roots`, and the
tables of what lies outside of a root are those of `spread.versions`.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c_unchecked as crc32c

NAMESPACE_MAX: Final = 2**32 - 2
HASH_LIMIT: Final = 2**32

# Tags: twice the kind, plus one if a deadline follows, plus 16 if the value is spread.
STRING: Final = 0
STRING_EXPIRING: Final = 1
SPREAD_BIT: Final = 16

# Kinds, and what TYPE calls each.
STRING_KIND: Final = 0
LIST_KIND: Final = 1
SET_KIND: Final = 2
SORTED_SET_KIND: Final = 3
HASH_KIND: Final = 4
STREAM_KIND: Final = 5
KIND_NAMES: Final = (b"string", b"list", b"set", b"zset", b"hash", b"stream")

DEADLINE_END: Final = 9  # where the payload of an expiring value begins

DEADLINE_MS_MAX: Final = 2**63 - 1
EXPIRY_END: Final = b"y"  # behind all entries of the expiry index
FIELD_EXPIRY_END: Final = b"z"  # and of that of field deadlines

# The table of the embedded API, in the order of its users' keys; its values have no tag.
EMBEDDED: Final = b"e"
EMBEDDED_END: Final = b"f"
EMBEDDED_COUNTER: Final = b"E"

# Registered versions of spread values, and the tally counters of those and of their roots.
REGISTRY: Final = b"c"
REGISTRY_END: Final = b"d"
VERSIONS_COUNTER: Final = b"c"
SPREAD_ROOTS_COUNTER: Final = b"r"

META_NAMESPACES: Final = b"mnamespaces"
META_NEXT_VERSION: Final = b"mversion"
META_DEAD: Final = b"mdead/"
META_DEAD_END: Final = b"mdead0"

_PLACE: Final = struct.Struct(">5sI")
_PREFIX: Final = struct.Struct(">cI")
_EXPIRY: Final = struct.Struct(">cQI")
_VALUE: Final = struct.Struct(">BQ")
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
assert _PLACE.size == 9 and _EXPIRY.size == 13 and _VALUE.size == DEADLINE_END

# `place(prefix, hash) + key` is a data key; bound here because every command builds one.
place = _PLACE.pack


class ExpiryEntry(NamedTuple):
    """One entry of the expiry index."""

    deadline_ms: int
    namespace: int
    key: bytes


class NamespaceMap(NamedTuple):
    """Which namespace each database uses, and the number that the next new one gets."""

    next_namespace: int
    namespaces: tuple[int, ...]


def namespace_prefix(namespace: int) -> bytes:
    """What all data keys of a namespace begin with; that of `namespace + 1` ends them."""
    return _PREFIX.pack(b"d", namespace)


def data_key(prefix: bytes, key: bytes) -> bytes:
    """Where the value of the user's `key` is stored."""
    return _PLACE.pack(prefix, crc32c(key)) + key


def user_key(stored_key: bytes) -> bytes:
    """The user's part of a data key."""
    return stored_key[9:]


def hash_of(stored_key: bytes) -> int:
    """The place of a data key in its namespace."""
    return int.from_bytes(stored_key[5:9], "big")


def expiry_key(deadline_ms: int, namespace: int, key: bytes) -> bytes:
    """The expiry index entry of a key."""
    return _EXPIRY.pack(b"x", deadline_ms, namespace) + key


def field_expiry_key(deadline_ms: int, namespace: int, key: bytes) -> bytes:
    """The entry of a hash in the index of field deadlines; `deadline_ms` is its earliest one."""
    return _EXPIRY.pack(b"y", deadline_ms, namespace) + key


def field_expiry_bound(deadline_ms: int) -> bytes:
    """As `expiry_bound`, in the index of field deadlines."""
    return b"y" + _U64.pack(deadline_ms)


def expiry_bound(deadline_ms: int) -> bytes:
    """Sorts behind all entries with an earlier deadline, before all others."""
    return b"x" + _U64.pack(deadline_ms)


def parse_expiry_key(stored_key: bytes) -> ExpiryEntry:
    """The inverse of `expiry_key` and `field_expiry_key`."""
    _, deadline_ms, namespace = _EXPIRY.unpack_from(stored_key)
    return ExpiryEntry(deadline_ms, namespace, stored_key[13:])


def dead_key(namespace: int) -> bytes:
    """The meta entry that says: what `namespace` holds is to be reclaimed."""
    return META_DEAD + _U32.pack(namespace)


def parse_dead_key(stored_key: bytes) -> int:
    """The inverse of `dead_key`."""
    return int.from_bytes(stored_key[len(META_DEAD) :], "big")


def encode_namespaces(mapping: NamespaceMap) -> bytes:
    """The value of `META_NAMESPACES`: next namespace, then one u32 a database."""
    return b"".join(map(_U32.pack, (mapping.next_namespace, *mapping.namespaces)))


def decode_namespaces(value: bytes) -> NamespaceMap:
    """The inverse of `encode_namespaces`."""
    numbers = [number for (number,) in _U32.iter_unpack(value)]
    return NamespaceMap(numbers[0], tuple(numbers[1:]))


def string_value(payload: bytes, deadline_ms: int) -> bytes:
    """A stored string; `deadline_ms` 0 means that it does not expire."""
    if deadline_ms:
        return _VALUE.pack(STRING_EXPIRING, deadline_ms) + payload
    return b"\x00" + payload


def deadline_of(head: bytes) -> int:
    """The deadline in the first bytes of a value, 0 if it has none."""
    return int.from_bytes(head[1:DEADLINE_END], "big") if head[0] & 1 else 0


def kind_of(head: bytes) -> int:
    """The kind in the first bytes of a value; `KIND_NAMES` names it."""
    return head[0] >> 1 & 7


def is_spread(head: bytes) -> bool:
    """Whether the elements of a value lie outside of it, under a version of their own."""
    return bool(head[0] & SPREAD_BIT)


def with_deadline(value: bytes, deadline_ms: int) -> bytes:
    """The same value with another deadline, or (0) with none."""
    payload = value[DEADLINE_END:] if value[0] & 1 else value[1:]
    tag = value[0] & ~1
    if deadline_ms:
        return _VALUE.pack(tag | 1, deadline_ms) + payload
    return bytes((tag,)) + payload


def behind(prefix: bytes) -> bytes:
    """The least key behind all that begin with `prefix`, whose first byte is not 0xff."""
    shortened = prefix.rstrip(b"\xff")
    return shortened[:-1] + bytes((shortened[-1] + 1,))


def keys_counter(namespace: int) -> bytes:
    """The tally counter of all keys of a namespace."""
    return b"k" + _U32.pack(namespace)


def expires_counter(namespace: int) -> bytes:
    """The tally counter of the keys of a namespace that have a deadline."""
    return b"e" + _U32.pack(namespace)


def tally(key: bytes, head: bytes) -> tuple[bytes, ...]:
    """The counters that a stored entry counts for (an `engine.store_protocol.Tally`)."""
    if key[:1] != b"d":
        return _OTHER_COUNTERS.get(key[:1], ())
    namespace = key[1:5]
    counters: tuple[bytes, ...] = (b"k" + namespace,)
    tag = head[0]
    if tag & 1:
        counters = (b"k" + namespace, b"e" + namespace)
    return (*counters, SPREAD_ROOTS_COUNTER) if tag & SPREAD_BIT else counters


_OTHER_COUNTERS: Final = {EMBEDDED: (EMBEDDED_COUNTER,), REGISTRY: (VERSIONS_COUNTER,)}
