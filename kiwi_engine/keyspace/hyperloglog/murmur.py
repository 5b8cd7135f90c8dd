"""MurmurHash64A, the hash that HyperLogLogs of Redis are built on (pure).

The 64-bit variant for 64-bit machines of Austin Appleby's MurmurHash2, read as little-endian on
every machine. Source: https://github.com/aappleby/smhasher (public domain).
"""

from __future__ import annotations

import struct
from typing import Final

_MASK: Final = 2**64 - 1
_MULTIPLIER: Final = 0xC6A4A7935BD1E995
_SHIFT: Final = 47
_WORDS: Final = struct.Struct("<Q")


def murmur_hash_64a(data: bytes, seed: int) -> int:
    """The 64-bit hash of `data`."""
    size = len(data)
    whole = size & ~7
    state = seed ^ (size * _MULTIPLIER & _MASK)
    for (word,) in _WORDS.iter_unpack(data[:whole]):
        mixed = word * _MULTIPLIER & _MASK
        mixed = (mixed ^ mixed >> _SHIFT) * _MULTIPLIER & _MASK
        state = (state ^ mixed) * _MULTIPLIER & _MASK
    if whole != size:
        state = (state ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    state = (state ^ state >> _SHIFT) * _MULTIPLIER & _MASK
    return state ^ state >> _SHIFT
