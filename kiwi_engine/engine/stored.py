"""How an entry is stored in the index (pure codec).

    stored = 0x00 value                        a value kept inline
           | 0x01 pointer (20 bytes) head      a value in the value log

Specified in docs/formats/keys.md.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.errors import CorruptionError
from kiwi_engine.vlog.format import POINTER_BYTES
from kiwi_engine.vlog.separated import LargeValue, Separated

INLINE: Final = b"\x00"
SEPARATED: Final = b"\x01"


def encode_stored(entry: bytes | LargeValue | Separated) -> bytes:
    """The index value of a present entry."""
    if isinstance(entry, bytes):
        return INLINE + entry
    assert len(entry.pointer) == POINTER_BYTES, "only durable entries reach the index"
    return SEPARATED + entry.pointer + entry.head


def encode_stored_or_none(entry: bytes | LargeValue | Separated | None) -> bytes | None:
    """`encode_stored`, or None for a deletion; a function of its own because drains are hot."""
    if type(entry) is bytes:
        return INLINE + entry
    return None if entry is None else encode_stored(entry)


def decode_stored(stored: bytes) -> bytes | Separated:
    """Inverse of `encode_stored`; `CorruptionError` where the bytes have neither form."""
    kind = stored[:1]
    if kind == INLINE:
        return stored[1:]
    if kind == SEPARATED and len(stored) > POINTER_BYTES:
        return Separated(stored[1 : 1 + POINTER_BYTES], stored[1 + POINTER_BYTES :])
    raise CorruptionError("index", 0, f"a stored value begins with {kind!r}")


def points_to(stored: bytes | None, pointer: bytes) -> bool:
    """Whether an index value (None: absent) is a value in the value log at encoded `pointer`."""
    return stored is not None and stored.startswith(SEPARATED + pointer)


def pointer_into(stored: bytes, segment: int) -> bytes | None:
    """The encoded pointer of an index value, if it leads into `segment`."""
    if stored.startswith(SEPARATED + segment.to_bytes(4, "little")):
        return stored[1 : 1 + POINTER_BYTES]
    return None


def head_of(entry: bytes | LargeValue | Separated) -> bytes:
    """The head of a present entry (all of it where it is inline)."""
    return entry if isinstance(entry, bytes) else entry.head
