"""The order of the elements of a sorted set as an order of bytes (pure).

An element's *order key* is its score in eight bytes, then its member. Order keys compare as Redis
orders elements: by score, and where scores are equal, by the bytes of the member. The bits of a
positive double, read as a number, grow with it, those of a negative one shrink: so the sign bit of
the one is set, and all bits of the other are inverted. -0 and 0 are equal scores and have one form.
"""

from __future__ import annotations

import struct
from math import inf
from typing import Final, NamedTuple

SCORE_BYTES: Final = 8

_DOUBLE: Final = struct.Struct(">d")
_pack: Final = _DOUBLE.pack
_ZERO: Final = _pack(-0.0)
_SIGN: Final = 0x80
_ALL_BITS: Final = 2**64 - 1


class ScoreRange(NamedTuple):
    """Scores from `low` to `high`; an open end leaves out the score that it names."""

    low: float = -inf
    high: float = inf
    is_low_open: bool = False
    is_high_open: bool = False

    @property
    def is_empty(self) -> bool:
        if self.low == self.high:
            return self.is_low_open or self.is_high_open
        return self.low > self.high


class LexRange(NamedTuple):
    """Members from `low` to `high`; None stands for no end at all.

    `is_impossible`: it begins behind all members, or ends before them.
    """

    low: bytes | None = None
    high: bytes | None = None
    is_low_open: bool = False
    is_high_open: bool = False
    is_impossible: bool = False

    @property
    def is_empty(self) -> bool:
        if self.is_impossible or self.low is None or self.high is None:
            return self.is_impossible
        if self.low == self.high:
            return self.is_low_open or self.is_high_open
        return self.low > self.high


Range = ScoreRange | LexRange


class Interval(NamedTuple):
    """Order keys from `low` to just below `high`; None: to the last one."""

    low: bytes = b""
    high: bytes | None = None


def encode_score(score: float) -> bytes:
    """Eight bytes that compare as scores do; not for NaN."""
    if score > 0:
        return _pack(-score)
    if score == 0:
        return _ZERO
    return (int.from_bytes(_pack(score), "big") ^ _ALL_BITS).to_bytes(SCORE_BYTES, "big")


def decode_score(order_key: bytes) -> float:
    """The score at the beginning of an order key."""
    (score,) = _DOUBLE.unpack_from(order_key)
    if order_key[0] & _SIGN:
        return -score if score else 0.0
    bits = int.from_bytes(order_key[:SCORE_BYTES], "big") ^ _ALL_BITS
    return float(_DOUBLE.unpack(bits.to_bytes(SCORE_BYTES, "big"))[0])


def score_interval(wanted: ScoreRange) -> Interval:
    """The order keys of all elements whose score lies in a range that is not empty."""
    low, high = encode_score(wanted.low), encode_score(wanted.high)
    return Interval(
        _behind_score(low) if wanted.is_low_open else low,
        high if wanted.is_high_open else _behind_score(high),
    )


def lex_interval(wanted: LexRange, first_score: float, last_score: float) -> Interval:
    """The order keys of all elements whose member lies in a range, if all have one score.

    `first_score` and `last_score` are those of the first and last element. Redis leaves open what
    is returned where they differ.
    """
    low, high = encode_score(first_score), encode_score(last_score)
    begin, end = low, _behind_score(high)
    if wanted.low is not None:
        begin = low + wanted.low + (b"\0" if wanted.is_low_open else b"")
    if wanted.high is not None:
        end = high + wanted.high + (b"" if wanted.is_high_open else b"\0")
    return Interval(begin, end)


def _behind_score(encoded: bytes) -> bytes:
    """Behind all order keys of a score; infinity is not the last number, so there is a next one."""
    return (int.from_bytes(encoded, "big") + 1).to_bytes(SCORE_BYTES, "big")
