"""Doubles as text, as Redis reads and prints them (pure).

Redis reads with C's `strtod`, which takes hexadecimal numbers and "infinity" but, other than
Python, no underscores.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import copysign, inf, isinf, isnan, nan
from typing import Final

from kiwi_engine.keyspace.numerals.shortest_digits import shortest_digits

# Whole numbers up to this size are printed as such.
WHOLE_MAX: Final = (2**63 - 1) / 2
# Exponents between these are written with zeros, others with an `e`.
_ZEROS_MAX: Final = 7
_SMALL_EXPONENT: Final = -7
_SMALL_MAGNITUDE: Final = 4
_REMEMBERED: Final = 4096

_BLANKS: Final = b" \t\n\v\f\r"
_SPECIAL: Final = re.compile(rb"([+-]?)(?:inf(?:inity)?|nan(?:\(\w*\))?)", re.IGNORECASE | re.ASCII)
_HEXADECIMAL: Final = re.compile(rb"[+-]?0[xX]", re.ASCII)
_NOT_ZERO: Final = re.compile(rb"[1-9]")
_HEXADECIMAL_NOT_ZERO: Final = re.compile(rb"[1-9a-f]", re.IGNORECASE)


def to_double(text: bytes) -> float | None:
    """A double as `string2d` takes it: no blanks, no NaN, neither overflow nor underflow."""
    number = _read(text)
    if number is None or isnan(number):
        return None
    if isinf(number) and _SPECIAL.fullmatch(text) is None:
        return None
    if number == 0 and not _spells_zero(text):
        return None
    return number


def to_bound(text: bytes) -> float | None:
    """A double as `strtod` alone takes it: blanks in front, nothing at all, anything behind a NUL.

    None for NaN and for what is no number.
    """
    text = text.partition(b"\0")[0]
    number = _read(text.lstrip(_BLANKS)) if text else 0.0
    return None if number is None or isnan(number) else number


def _read(text: bytes) -> float | None:
    """What `strtod` makes of the whole of `text`."""
    try:
        number = float(text)
    except ValueError:
        return _read_unusual(text)
    # float() also takes underscores, and blanks at both ends.
    return number if text[0] > 0x20 and text[-1] > 0x20 and b"_" not in text else None


def _read_unusual(text: bytes) -> float | None:
    if _HEXADECIMAL.match(text) and text[-1] > 0x20:
        return _read_hexadecimal(text)
    return nan if _SPECIAL.fullmatch(text) else None


def _read_hexadecimal(text: bytes) -> float | None:
    try:
        return float.fromhex(text.decode("ascii", "replace"))
    except ValueError:
        return None
    except OverflowError:
        return copysign(inf, -1.0 if text.startswith(b"-") else 1.0)


def _spells_zero(text: bytes) -> bool:
    """Whether the digits before the exponent are all zero."""
    if _HEXADECIMAL.match(text):
        digits = text.lower().partition(b"x")[2].partition(b"p")[0]
        return _HEXADECIMAL_NOT_ZERO.search(digits) is None
    return _NOT_ZERO.search(text.lower().partition(b"e")[0]) is None


def double_text(number: float) -> bytes:
    """What Redis 7.2 prints (`d2string`): "3", "0.1", "1e+20", "inf"; never NaN."""
    if number.is_integer() and -WHOLE_MAX <= number <= WHOLE_MAX:
        return b"%d" % number if number or copysign(1.0, number) > 0 else b"-0"
    return _fraction_text(number)


@lru_cache(_REMEMBERED)
def _fraction_text(number: float) -> bytes:
    if isinf(number):
        return b"inf" if number > 0 else b"-inf"
    text = _digits_text(*shortest_digits(abs(number)))
    return (f"-{text}" if number < 0 else text).encode()


def _digits_text(digits: str, exponent: int) -> str:
    """With zeros, with a point, or with an exponent, as fpconv chooses."""
    leading = exponent + len(digits) - 1
    magnitude = abs(leading)
    if exponent >= 0 and magnitude < len(digits) + _ZEROS_MAX:
        return digits + "0" * exponent
    if exponent < 0 and (exponent > _SMALL_EXPONENT or magnitude < _SMALL_MAGNITUDE):
        if leading < 0:
            return "0." + "0" * (-leading - 1) + digits
        return f"{digits[: leading + 1]}.{digits[leading + 1 :]}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{'-' if leading < 0 else '+'}{magnitude}"


def long_double_text(number: float) -> bytes:
    """What ZSCAN prints of a large sorted set (`ld2string`): always 17 significant digits."""
    return b"%.17g" % number
