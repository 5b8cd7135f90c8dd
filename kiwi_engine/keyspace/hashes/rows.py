"""The fields of a spread hash as entries of the store (pure codec).

    field      "h" | version u64 | crc32c(field) u32 | field   ->  tag u8 | ... | value
    deadline   "f" | version u64 | deadline u64 | field        ->  (empty)

    tag 0      the value follows
        + 1    the field's deadline u64 comes first
        + 2    the field's order u64 comes next

The order tells in which sequence the fields of a listpack are returned, see `hashes.packed`; one
that is 0, like a deadline that is 0, is not written. Specified in formats/keys.md.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c_unchecked as crc32c

_PLACE: Final = struct.Struct(">9sI")
_DUE: Final = struct.Struct(">9sQ")
_U64: Final = struct.Struct(">Q")
_DEADLINE_BIT: Final = 1
_ORDER_BIT: Final = 2
assert _PLACE.size == 13 and _DUE.size == 17


class FieldRow(NamedTuple):
    """What is stored of one field; `deadline_ms` and `order` may be 0."""

    deadline_ms: int
    order: int
    value: bytes


# That of a field with neither; shared by all whose value is not asked for.
PLAIN_ROW: Final = FieldRow(0, 0, b"")


def field_key(prefix: bytes, field: bytes) -> bytes:
    """Where a field is stored; `prefix` is `versions.element_prefix(FIELDS, version)`."""
    return _PLACE.pack(prefix, crc32c(field)) + field


def parse_field_key(stored_key: bytes) -> bytes:
    """The field that is stored there."""
    return stored_key[_PLACE.size :]


def encode_row(deadline_ms: int, order: int, value: bytes) -> bytes:
    """The stored form of one field's row."""
    if not deadline_ms and not order:
        return b"\x00" + value
    deadline = _U64.pack(deadline_ms) if deadline_ms else b""
    place = _U64.pack(order) if order else b""
    tag = (_DEADLINE_BIT if deadline_ms else 0) | (_ORDER_BIT if order else 0)
    return bytes((tag,)) + deadline + place + value


def decode_row(stored: bytes) -> FieldRow:
    """The inverse of `encode_row`. From a head the deadline is right, the rest may be cut off."""
    tag = stored[0]
    if not tag:
        return FieldRow(0, 0, stored[1:])
    deadline_ms = order = 0
    at = 1
    if tag & _DEADLINE_BIT:
        deadline_ms = int.from_bytes(stored[at : at + 8], "big")
        at += 8
    if tag & _ORDER_BIT:
        order = int.from_bytes(stored[at : at + 8], "big")
        at += 8
    return FieldRow(deadline_ms, order, stored[at:])


def due_key(prefix: bytes, deadline_ms: int, field: bytes) -> bytes:
    """The entry of a field with a deadline; `prefix` is that of `FIELD_DEADLINES`."""
    return _DUE.pack(prefix, deadline_ms) + field


def due_bound(prefix: bytes, deadline_ms: int) -> bytes:
    """Sorts behind the entries of all earlier deadlines, before all others."""
    return _DUE.pack(prefix, deadline_ms)


def parse_due_key(stored_key: bytes) -> tuple[int, bytes]:
    """(deadline, field): the inverse of `due_key`."""
    return int.from_bytes(stored_key[9 : _DUE.size], "big"), stored_key[_DUE.size :]
