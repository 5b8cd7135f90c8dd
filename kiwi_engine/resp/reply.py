"""Replies as wire bytes, RESP2 and RESP3 (pure).

Each function returns the complete bytes of one reply element, so that replies compose by
concatenation. Where the two protocol versions differ, `resp3` says which one is wanted.
Source: the RESP specification (https://redis.io/docs/latest/develop/reference/protocol-spec/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"
PONG = b"+PONG\r\n"
EMPTY_BULK = b"$0\r\n\r\n"
EMPTY_ARRAY = b"*0\r\n"
NULL_RESP3 = b"_\r\n"
NULL_BULK_RESP2 = b"$-1\r\n"
NULL_ARRAY_RESP2 = b"*-1\r\n"
ZERO = b":0\r\n"
ONE = b":1\r\n"

_SMALL_INTEGERS = tuple(b":%d\r\n" % n for n in range(1024))


def integer(n: int) -> bytes:
    """A 64-bit integer reply."""
    return _SMALL_INTEGERS[n] if 0 <= n < 1024 else b":%d\r\n" % n


def bulk(data: bytes) -> bytes:
    """A binary-safe string."""
    return b"$%d\r\n%b\r\n" % (len(data), data)


def simple(text: str) -> bytes:
    """A status line; `text` has no CR or LF."""
    return f"+{text}\r\n".encode()


def error(text: str) -> bytes:
    """An error line; line ends inside `text` become spaces, as Redis does."""
    clean = text.replace("\r", " ").replace("\n", " ")
    return b"-%b\r\n" % clean.encode("utf-8", "surrogateescape")


def null(resp3: bool) -> bytes:
    """The absent value (a null bulk string in RESP2)."""
    return NULL_RESP3 if resp3 else NULL_BULK_RESP2


def null_array(resp3: bool) -> bytes:
    """The absent array (differs from `null` in RESP2 only)."""
    return NULL_RESP3 if resp3 else NULL_ARRAY_RESP2


def array(elements: Sequence[bytes]) -> bytes:
    """An array of encoded elements."""
    return b"*%d\r\n%b" % (len(elements), b"".join(elements))


def bulk_array(items: Iterable[bytes]) -> bytes:
    """An array of bulk strings."""
    return array([b"$%d\r\n%b\r\n" % (len(item), item) for item in items])


def mapping(resp3: bool, flat: Sequence[bytes]) -> bytes:
    """A map from the encoded `key, value, key, value ...`; a flat array in RESP2."""
    assert len(flat) % 2 == 0, "a map needs a value for each key"
    if resp3:
        return b"%%%d\r\n%b" % (len(flat) // 2, b"".join(flat))
    return array(flat)


def set_of(resp3: bool, elements: Sequence[bytes]) -> bytes:
    """A set of encoded elements; an array in RESP2."""
    return b"%b%d\r\n%b" % (b"~" if resp3 else b"*", len(elements), b"".join(elements))


def push(elements: Sequence[bytes]) -> bytes:
    """An out-of-band message (RESP3 only)."""
    return b">%d\r\n%b" % (len(elements), b"".join(elements))


def boolean(resp3: bool, value: bool) -> bytes:
    """A boolean; 0 or 1 in RESP2."""
    if resp3:
        return b"#t\r\n" if value else b"#f\r\n"
    return ONE if value else ZERO


def verbatim(resp3: bool, text: bytes, kind: bytes = b"txt") -> bytes:
    """Text that a client shows as it is; a bulk string in RESP2. `kind` is three bytes long."""
    return b"=%d\r\n%b:%b\r\n" % (len(text) + 4, kind, text) if resp3 else bulk(text)
