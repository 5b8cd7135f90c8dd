"""Integers as Redis recognises them in a text (pure)."""

from __future__ import annotations

from typing import Final

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
# Digits and sign of the longest 64-bit number.
INTEGER_TEXT_MAX: Final = 20


def to_integer(text: bytes) -> int | None:
    """A 64-bit integer in its one canonical spelling (`string2ll` in Redis), or None."""
    if len(text) < 19 and text.isdigit() and text[0] != 0x30:
        return int(text)  # the usual case of INCR, in half the time of the general one
    try:
        number = int(text) if len(text) <= INTEGER_TEXT_MAX else None
    except ValueError:
        return None
    # int() also takes blanks, signs, zeros in front and underscores; Redis does not.
    if number is None or b"%d" % number != text or not INTEGER_MIN <= number <= INTEGER_MAX:
        return None
    return number
