"""Where the embedded API keeps its keys, and what it accepts as keys and values (pure).

    stored key = "e" | key            in the order of the keys; see docs/formats/keys.md

A server that opens the same directory does not see this table, nor is its own seen here.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.keyspace.encoding import EMBEDDED, EMBEDDED_END, behind

BytesLike = bytes | bytearray | memoryview

KEY_BYTES_MAX: Final = 1 << 20
# Of one value, and of all keys and values of one write.
VALUE_BYTES_MAX: Final = 1 << 29


def stored_key(key: BytesLike) -> bytes:
    """`key` as it is stored; `TypeError` if it is not bytes-like, `ValueError` if too long."""
    if not isinstance(key, bytes | bytearray | memoryview):
        raise TypeError(f"a key must be bytes-like, not {type(key).__name__}")
    stored = EMBEDDED + bytes(key)
    if len(stored) > KEY_BYTES_MAX + 1:
        raise ValueError(f"a key of {len(stored) - 1} bytes; at most {KEY_BYTES_MAX} are allowed")
    return stored


def stored_value(value: BytesLike) -> bytes:
    """`value` as bytes of its own; errors as those of `stored_key`."""
    if not isinstance(value, bytes):
        if not isinstance(value, bytearray | memoryview):
            raise TypeError(f"a value must be bytes-like, not {type(value).__name__}")
        value = bytes(value)
    if len(value) > VALUE_BYTES_MAX:
        raise ValueError(f"a value of {len(value)} bytes; at most {VALUE_BYTES_MAX} are allowed")
    return value


def user_key(stored: bytes) -> bytes:
    """The inverse of `stored_key`."""
    return stored[1:]


def stored_range(
    begin: BytesLike | None, end: BytesLike | None, prefix: BytesLike | None = None
) -> tuple[bytes, bytes]:
    """The stored keys k with begin <= k < end; None means no bound.

    `prefix` stands for the range of all keys that begin with it; `ValueError` beside a bound.
    """
    if prefix is not None:
        if begin is not None or end is not None:
            raise ValueError("give either a prefix or bounds")
        first = stored_key(prefix)
        return first, behind(first)
    low = EMBEDDED if begin is None else stored_key(begin)
    high = EMBEDDED_END if end is None else stored_key(end)
    return low, max(low, high)
