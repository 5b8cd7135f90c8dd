"""What OBJECT ENCODING calls a hash, and when that changes (pure).

As in Redis a listpack becomes a hash table when a field or value is long or fields are many, and
never goes back. An encoding with deadlines is kept when the last deadline is gone. Source: Redis'
t_hash.c (7.2; deadlines: 7.4).
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.spread.roots import HASHTABLE, HASHTABLE_EX, LISTPACK, LISTPACK_EX

_AS_TABLE: Final = {LISTPACK: HASHTABLE, LISTPACK_EX: HASHTABLE_EX}
_WITH_DEADLINES: Final = {LISTPACK: LISTPACK_EX, HASHTABLE: HASHTABLE_EX}


def is_listpack(encoding: int) -> bool:
    """Whether fields are returned in an order that Redis fixes."""
    return encoding in _AS_TABLE


def expecting(encoding: int, field_count: int, limits: Limits) -> int:
    """The encoding before a command sets `field_count` fields, whether they are new or not."""
    if field_count > limits.hash_max_listpack_entries:
        return _AS_TABLE.get(encoding, encoding)
    return encoding


def with_field(encoding: int, count: int, field: bytes, value: bytes, limits: Limits) -> int:
    """The encoding after `field` was set in a hash that now has `count` fields."""
    if encoding in _AS_TABLE:
        longest = limits.hash_max_listpack_value
        if count > limits.hash_max_listpack_entries or len(value) > longest or len(field) > longest:
            return _AS_TABLE[encoding]
    return encoding


def with_deadlines(encoding: int) -> int:
    """The encoding after a field got a deadline."""
    return _WITH_DEADLINES.get(encoding, encoding)
