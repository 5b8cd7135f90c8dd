"""The x87 extended precision numbers in which Redis counts for INCRBYFLOAT (pure).

Redis keeps such numbers as C `long double`, which on x86-64 has a mantissa of 64 bits. All steps
are done here with exact integers and rounded once each, half to even, as the C library and the
processor do: reading decimal or hexadecimal text (`strtold`), adding, printing (`%.17Lf`, zeros at
the end cut). So the replies equal those of Redis on x86-64. On other machines Redis itself replies
differently.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final, NamedTuple

MANTISSA_BITS: Final = 64
EXPONENT_MAX: Final = 16384  # the largest number lies below 2**16384
EXPONENT_MIN: Final = -16445  # the smallest positive number
TEXT_BYTES_MAX: Final = 5 * 1024  # longer text is refused unread
DECIMAL_EXPONENT_MAX: Final = 10_000  # beyond it every number of that text length is 0 or infinite

_DECIMAL: Final = re.compile(rb"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")
_HEXADECIMAL: Final = re.compile(
    rb"([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?"
)
_INFINITY: Final = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)


class LongDouble(NamedTuple):
    """A number that a `long double` holds exactly; an infinite one keeps only its sign."""

    value: Fraction
    is_finite: bool = True

    def plus(self, other: LongDouble) -> LongDouble:
        """The sum, rounded; not finite where either is not, or where it is too large."""
        if not (self.is_finite and other.is_finite):
            return LongDouble(Fraction(0), is_finite=False)
        return _rounded(self.value + other.value)

    def times(self, factor: int) -> LongDouble:
        """The product, rounded; not finite where this is not, or where it is too large."""
        return _rounded(self.value * factor) if self.is_finite else self

    def human_text(self) -> bytes:
        """17 decimals without the zeros at their end, as Redis stores and returns it."""
        scaled = round(self.value * 10**17)
        whole, decimals = divmod(abs(scaled), 10**17)
        text = f"{_decimal(whole)}.{decimals:017d}".rstrip("0").rstrip(".")
        return (f"-{text}" if scaled < 0 else text).encode()


def parse_long_double(text: bytes) -> LongDouble | None:
    """The number that `text` spells, or None where Redis says "not a valid float"."""
    if not 0 < len(text) < TEXT_BYTES_MAX:
        return None
    if _INFINITY.fullmatch(text):
        return LongDouble(Fraction(0), is_finite=False)
    if match := _HEXADECIMAL.fullmatch(text):
        return _from_parts(match, base=16, exponent_base=2)
    if match := _DECIMAL.fullmatch(text):
        return _from_parts(match, base=10, exponent_base=10)
    return None


def _from_parts(match: re.Match[bytes], base: int, exponent_base: int) -> LongDouble | None:
    sign, whole, decimals, exponent_text = (part or b"" for part in match.groups())
    if not whole and not decimals:
        return None
    digits = _chunked(whole + decimals, base)
    if digits == 0:
        return LongDouble(Fraction(0))
    exponent = int((exponent_text or b"0")[:12])
    if abs(exponent) > DECIMAL_EXPONENT_MAX * (4 if base == 16 else 1):
        return None
    power = Fraction(exponent_base) ** exponent
    number = _rounded(digits * power / Fraction(base) ** len(decimals))
    if not number.is_finite or not number.value:
        return None
    return LongDouble(-number.value) if sign == b"-" else number


def _chunked(digits: bytes, base: int) -> int:
    """Digits to a number in pieces: Python refuses to read very long decimal text at once."""
    number = 0
    for at in range(0, len(digits), 1000):
        piece = digits[at : at + 1000]
        number = number * base ** len(piece) + int(piece, base)
    return number


def _decimal(number: int) -> str:
    """The inverse of `_chunked` for base 10; the largest long double has 4933 digits."""
    if number < 10**1000:
        return str(number)
    high, low = divmod(number, 10**1000)
    return f"{_decimal(high)}{low:01000d}"


def _rounded(exact: Fraction) -> LongDouble:
    """The nearest number with 64 bits of mantissa, half to even."""
    if not exact:
        return LongDouble(exact)
    magnitude = abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude >= _power_of_two(exponent):
        exponent += 1  # now 2**(exponent-1) <= magnitude < 2**exponent
    unit = _power_of_two(max(exponent - MANTISSA_BITS, EXPONENT_MIN))
    value = round(exact / unit) * unit
    return LongDouble(value, is_finite=abs(value) < _power_of_two(EXPONENT_MAX))


def _power_of_two(exponent: int) -> Fraction:
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
