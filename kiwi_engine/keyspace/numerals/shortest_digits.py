"""Decimal digits of a double, exactly those that Redis prints (pure).

Redis prints with Grisu2, which finds digits that read back as the same double, and in 999 of 1000
cases the fewest possible. To agree in the other cases, too, it is followed here step by step, with
its fractions of 64 bits; `repr` would print one digit less there.

Source: Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers",
PLDI 2010, sections 4 and 5; which power of ten is taken is that of Redis' fpconv. That takes some
10 us, so `repr` is asked first: it is certain to agree where the digits are few and the number they
spell is well inside of what reads back as the same double.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from fractions import Fraction
from math import frexp, ulp
from typing import Final, NamedTuple

_FRACTION_BITS: Final = 64
_MANTISSA_BITS: Final = 52
_HIDDEN_BIT: Final = 1 << _MANTISSA_BITS
_EXPONENT_BIAS: Final = 1075
_DENORMAL_EXPONENT: Final = 1 - _EXPONENT_BIAS
_EXPONENT_MASK: Final = 0x7FF

# Powers of ten that bring every double into the range where its digits are read off: its
# fraction has 60 decimal bits at most then, so that some bits of it are whole.
_FIRST_POWER: Final = -348
_POWER_STEP: Final = 8
_POWERS: Final = 87
_EXPONENT_LOW: Final = -60

# So many digits lie further apart than the numbers that read back as one double: no two of them do.
_FEW_DIGITS: Final = 15
# Up to this distance, in units of the last place, a number is taken for the double; the lower half
# is half as wide just above a power of two. What the fractions lose is less than a hundredth.
_CERTAIN_DISTANCE: Final = 0.48
_CERTAIN_DISTANCE_OF_POWERS: Final = 0.23


class Digits(NamedTuple):
    """The number `int(digits) * 10**exponent`; no zero in front."""

    digits: str
    exponent: int


class _Scaled(NamedTuple):
    """`fraction * 2**exponent`."""

    fraction: int
    exponent: int


def _power_of_ten(power: int) -> _Scaled:
    """10**power with a fraction of 64 bits, rounded to the nearest."""
    exact = Fraction(10) ** power
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length() - _FRACTION_BITS
    scaled = exact / Fraction(2) ** exponent
    if scaled >= 1 << _FRACTION_BITS:
        exponent += 1
        scaled /= 2
    return _Scaled(round(scaled), exponent)


_CACHED: Final = tuple(_power_of_ten(_FIRST_POWER + _POWER_STEP * at) for at in range(_POWERS))
_EXPONENTS: Final = tuple(power.exponent for power in _CACHED)


def shortest_digits(number: float) -> Digits:
    """The digits of a positive, finite `number`."""
    fewest = _fewest_digits(number)
    return fewest if _is_certain(number, *fewest) else grisu_digits(number)


def _fewest_digits(number: float) -> Digits:
    mantissa, _, exponent = repr(number).partition("e")
    whole, _, decimals = mantissa.partition(".")
    digits = (whole + decimals).lstrip("0")
    kept = digits.rstrip("0")
    return Digits(kept, int(exponent or 0) - len(decimals) + len(digits) - len(kept))


def _is_certain(number: float, digits: str, exponent: int) -> bool:
    """Whether Grisu2 finds these digits, too: there is only one candidate with so few."""
    if len(digits) > _FEW_DIGITS:
        return False
    numerator, denominator = number.as_integer_ratio()
    difference: float
    if exponent < 0:
        numerator *= 10**-exponent
        difference = abs(int(digits) * denominator - numerator) / (denominator * 10**-exponent)
    else:
        difference = abs(int(digits) * 10**exponent * denominator - numerator) / denominator
    is_power = frexp(number)[0] == 0.5
    certain = _CERTAIN_DISTANCE_OF_POWERS if is_power else _CERTAIN_DISTANCE
    return difference < certain * ulp(number)


def grisu_digits(number: float) -> Digits:
    """The same, by Grisu2 alone."""
    bits = int.from_bytes(struct.pack(">d", number), "big")
    fraction, biased = bits & (_HIDDEN_BIT - 1), bits >> _MANTISSA_BITS & _EXPONENT_MASK
    exponent = biased - _EXPONENT_BIAS if biased else _DENORMAL_EXPONENT
    if biased:
        fraction |= _HIDDEN_BIT
    # Half way to the neighbours; the lower one is nearer just above a power of two.
    shift = _FRACTION_BITS - (fraction << 1 | 1).bit_length()
    high, high_exponent = (fraction << 1 | 1) << shift, exponent - 1 - shift
    lower_shift = 2 if fraction == _HIDDEN_BIT else 1
    low = (fraction << lower_shift) - 1 << exponent - lower_shift - high_exponent
    middle = fraction << _FRACTION_BITS - fraction.bit_length()

    at = _power_for(high_exponent)
    power, power_exponent = _CACHED[at]
    middle, low, high = (_product(each, power) for each in (middle, low, high))
    exponent = high_exponent + power_exponent + _FRACTION_BITS
    # One unit is kept from either border, because all three products are rounded.
    low, high = low + 1, high - 1
    found = _read_off(middle, high, high - low, -exponent)
    return Digits(found.digits, found.exponent - (_FIRST_POWER + _POWER_STEP * at))


def _power_for(exponent: int) -> int:
    """The smallest of the cached powers that brings numbers with this exponent into range."""
    return bisect_left(_EXPONENTS, _EXPONENT_LOW - _FRACTION_BITS - exponent)


def _product(one: int, other: int) -> int:
    """The upper 64 bits, rounded."""
    return one * other + (1 << _FRACTION_BITS - 1) >> _FRACTION_BITS


def _read_off(middle: int, high: int, width: int, shift: int) -> Digits:
    """Digits of `high` until what is left of it is less than `width`; `shift` bits are decimals."""
    distance = high - middle
    unit = 1 << shift
    whole, rest = high >> shift, high & (unit - 1)
    digits = str(whole)
    # Within the whole part: as few of its digits as bring the rest below `width`.
    for exponent in range(len(digits) - 1, -1, -1):
        power = 10**exponent
        left = (whole % power << shift) + rest
        if left <= width:
            kept = digits[: len(digits) - exponent]
            return Digits(_nearest(kept, distance, width, left, power << shift), exponent)
    exponent = 0
    while True:
        rest, width, distance = rest * 10, width * 10, distance * 10
        digit, rest = rest >> shift, rest & (unit - 1)
        exponent -= 1
        digits += chr(48 + digit)
        if rest < width:
            return Digits(_nearest(digits, distance, width, rest, unit), exponent)


def _nearest(digits: str, distance: int, width: int, left: int, unit: int) -> str:
    """Lower the last digit as long as that comes nearer to the number itself."""
    last = ord(digits[-1])
    while (
        left < distance
        and width - left >= unit
        and (left + unit < distance or distance - left > left + unit - distance)
    ):
        last -= 1
        left += unit
    return digits[:-1] + chr(last)
