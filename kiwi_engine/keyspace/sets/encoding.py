"""What OBJECT ENCODING says of a set, as it grows (pure).

Source: `setTypeCreate`, `setTypeMaybeConvert`, `setTypeAdd` and `spopWithCountCommand` of Redis 7.2
(t_set.c). Only a SPOP that leaves little brings a set back to an earlier encoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.keyspace.numerals.integers import INTEGER_TEXT_MAX, to_integer
from kiwi_engine.keyspace.spread.roots import HASHTABLE, INTSET, LISTPACK

# SPOP moves what it leaves if it takes at least so many members for each.
_POPPED_FOR_EACH_LEFT: Final = 5


def first_encoding(member: bytes, expected_count: int, limits: Limits) -> int:
    """That of a new set which `member` is the first of `expected_count` members to enter."""
    if to_integer(member) is not None and expected_count <= limits.set_max_intset_entries:
        return INTSET
    return LISTPACK if expected_count <= limits.set_max_listpack_entries else HASHTABLE


def expecting(encoding: int, added_count: int, limits: Limits) -> int:
    """That of an existing set just before a command adds up to `added_count` members."""
    if encoding == LISTPACK and added_count > limits.set_max_listpack_entries:
        return HASHTABLE
    if encoding == INTSET and added_count > limits.set_max_intset_entries:
        return HASHTABLE
    return encoding


def with_member(
    encoding: int, count: int, member: bytes, members: Iterable[bytes], limits: Limits
) -> int:
    """That of a set of `count` `members` after a new one has entered."""
    if encoding == HASHTABLE:
        return HASHTABLE
    if encoding == INTSET and to_integer(member) is not None:
        return INTSET if count < limits.set_max_intset_entries else HASHTABLE
    is_small = count < limits.set_max_listpack_entries
    if not is_small or len(member) > limits.set_max_listpack_value:
        return HASHTABLE
    return HASHTABLE if encoding == INTSET and _are_long(members, limits) else LISTPACK


def is_made_anew(encoding: int, popped_count: int, left_count: int, limits: Limits) -> bool:
    """Whether Redis moves what SPOP leaves of a hash table into a new, small set."""
    is_little = left_count * _POPPED_FOR_EACH_LEFT <= popped_count
    return encoding == HASHTABLE and is_little and left_count <= limits.set_max_listpack_entries


def made_anew(members: Iterable[bytes], limits: Limits) -> int:
    """That of a new set of a few members that come from a hash table."""
    longest = limits.set_max_listpack_value
    return HASHTABLE if any(len(member) > longest for member in members) else LISTPACK


def _are_long(integers: Iterable[bytes], limits: Limits) -> bool:
    """Whether one of the members of an intset is too long for a listpack."""
    if limits.set_max_listpack_value >= INTEGER_TEXT_MAX:
        return False
    return any(len(integer) > limits.set_max_listpack_value for integer in integers)
