"""The patterns of SORT: which other value belongs to an element (pure).

A pattern names a key with `*` in the element's place, and behind `->` a field if that key is a
hash. Source: `lookupKeyByPattern` of Redis 7.2 (sort.c), which reads patterns as C strings: what
stands behind a NUL is not looked at, but is part of the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from kiwi_engine.commands.context import Context
from kiwi_engine.errors import WrongTypeError
from kiwi_engine.keyspace.hashes.opening import open_hash

# Keys that are brought into memory with one read.
LOOKED_UP_AT_ONCE: Final = 1000


class Pattern(NamedTuple):
    """The parts of a key around the element; without a `field` the key is a string."""

    front: bytes
    behind: bytes
    field: bytes = b""


def has_place(pattern: bytes) -> bool:
    """Whether a pattern depends on the element at all."""
    return b"*" in as_c_string(pattern)


def as_c_string(text: bytes) -> bytes:
    """What C sees of a text: nothing from a NUL on."""
    return text.partition(b"\0")[0]


def parse_pattern(pattern: bytes) -> Pattern | None:
    """The parts of a pattern; None if it has no place for an element."""
    at = as_c_string(pattern).find(b"*")
    if at < 0:
        return None
    front, behind = pattern[:at], pattern[at + 1 :]
    arrow = as_c_string(behind).find(b"->")
    if arrow >= 0 and as_c_string(behind[arrow + 2 :]):
        return Pattern(front, behind[:arrow], behind[arrow + 2 :])
    return Pattern(front, behind)


def look_up(context: Context, text: bytes, elements: Sequence[bytes]) -> list[bytes | None]:
    """What a pattern tells for each element; `#` is the element itself."""
    if as_c_string(text) == b"#":
        return list(elements)
    pattern = parse_pattern(text)
    if pattern is None:
        return [None] * len(elements)
    found: list[bytes | None] = []
    for start in range(0, len(elements), LOOKED_UP_AT_ONCE):
        part = elements[start : start + LOOKED_UP_AT_ONCE]
        keys = [pattern.front + element + pattern.behind for element in part]
        context.db.prefetch(keys)
        found += [_value(context, key, pattern.field) for key in keys]
    return found


def _value(context: Context, key: bytes, field: bytes) -> bytes | None:
    """A string or a field of a hash; None where something else lives or nothing."""
    try:
        if not field:
            return context.db.get(key, context.now_ms)
        found = open_hash(context.db, key, context.now_ms)
    except WrongTypeError:
        return None
    return None if found is None else found.get(field)
