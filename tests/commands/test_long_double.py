"""Extended precision arithmetic; the expected texts are replies of redis-server 7.0 on x86-64."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commands.strings.long_double import LongDouble, parse_long_double


def parsed(text: bytes) -> LongDouble:
    number = parse_long_double(text)
    assert number is not None, text
    return number


@pytest.mark.parametrize(
    ("value", "amount", "total"),
    [
        (b"10.50", b"0.1", b"10.6"),
        (b"5.0e3", b"2.0e2", b"5200"),
        (b"3", b"1.1", b"4.1"),
        (b"0.1", b"0.2", b"0.3"),
        (b"0", b"1e-17", b"0.00000000000000001"),
        (b"0", b"5e-18", b"0"),
        (b"0", b"6e-18", b"0.00000000000000001"),
        (b"-0", b"0", b"0"),
        (b"1", b"-1", b"0"),
        (b"0x10", b"0x1p-3", b"16.125"),
        (b"18446744073709551615", b"1", b"18446744073709551616"),
        (b"18446744073709551616", b"1", b"18446744073709551616"),
        (b"1e20", b"0.1", b"100000000000000000000"),
        (b"123456789.123456789", b"0", b"123456789.12345678899873747"),
    ],
)
def test_sums(value: bytes, amount: bytes, total: bytes) -> None:
    assert parsed(value).plus(parsed(amount)).human_text() == total


@pytest.mark.parametrize(
    "text",
    [
        b"", b" 1", b"1 ", b"1x", b".", b"-", b"1e", b"1e+", b"0x", b"0x.", b"nan", b"1,5",
        b"1e4933", b"-1e99999999999999999", b"1e-4951", b"1e-99999999", b"1" * 5120, b"0x1p16384",
        b"1\n", b"in", b"\xff",
    ],
)  # fmt: skip
def test_not_a_number(text: bytes) -> None:
    assert parse_long_double(text) is None


@pytest.mark.parametrize("text", [b"inf", b"-INF", b"+Infinity"])
def test_infinity_is_a_number_but_no_sum(text: bytes) -> None:
    assert not parsed(text).is_finite
    assert not parsed(b"1").plus(parsed(text)).is_finite


@pytest.mark.parametrize("text", [b"0", b"0e99999999999", b"-0.0", b"0x0p99999", b"00000.0"])
def test_zero_has_no_exponent(text: bytes) -> None:
    assert parsed(text).value == 0


def test_the_ends_of_the_range() -> None:
    largest = b"0x1.fffffffffffffffep16383"
    assert parsed(largest).value == (2**64 - 1) * Fraction(2) ** (16384 - 64)
    assert not parsed(largest).plus(parsed(largest)).is_finite
    assert len(parsed(largest).human_text()) == 4933
    assert parsed(b"0x1p-16445").value == Fraction(1, 2**16445)
    assert parsed(b"0x1.8p-16445").value == Fraction(2, 2**16445), "half to even"
    assert parsed(b"0x1p-16445").human_text() == b"0"


@given(st.integers(-(2**64), 2**64))
def test_64_bit_numbers_are_exact(number: int) -> None:
    assert parsed(b"%d" % number).human_text() == b"%d" % number


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_rounding_is_to_the_nearest(number: object) -> None:
    exact = Fraction(str(number))
    value = parsed(str(number).encode()).value if exact else Fraction(0)
    assert abs(value - exact) <= abs(exact) / 2**63
    mantissa = abs(value.numerator)
    while mantissa and mantissa % 2 == 0:
        mantissa //= 2
    assert mantissa.bit_length() <= 64
