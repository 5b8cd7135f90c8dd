"""Doubles as text: read as `strtod` does, printed as Redis does."""

from __future__ import annotations

from math import copysign, inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kiwi_engine.keyspace.numerals.doubles import double_text, long_double_text, to_bound, to_double
from kiwi_engine.keyspace.numerals.shortest_digits import grisu_digits, shortest_digits

# Each pair was answered by a server that prints as Redis 7.2 does.
PRINTED = [
    (0.0, b"0"), (-0.0, b"-0"), (1.0, b"1"), (-17.0, b"-17"), (0.5, b"0.5"), (-2.25, b"-2.25"),
    (0.1, b"0.1"), (0.30000000000000004, b"0.30000000000000004"), (3.14159, b"3.14159"),
    (123456789.123, b"123456789.123"), (0.0001, b"0.0001"), (0.00001, b"0.00001"),
    (1e-7, b"1e-7"), (2.5e-5, b"0.000025"), (8.447179488895173e-4, b"8.447179488895173e-4"),
    (1991433.7223804612, b"1.9914337223804612e+6"), (-52501911.1934032, b"-5.25019111934032e+7"),
    (1e15, b"1000000000000000"), (4.3862675316354437e18, b"4386267531635443712"),
    (2.680347473599499e19, b"26803474735994990000"), (1e20, b"1e+20"),
    (1e21, b"1e+21"), (3.1475091960626986e22, b"31475091960626986000000"), (1e22, b"1e+22"),
    (2.306113114964745e-287, b"2.3061131149647449e-287"), (5e-324, b"5e-324"),
    (1.7976931348623157e308, b"1.7976931348623157e+308"), (2.2250738585072014e-308,
    b"2.2250738585072014e-308"), (inf, b"inf"), (-inf, b"-inf"),
    # Grisu2 finds one digit more than the fewest possible.
    (0.4959708893842458, b"0.49597088938424583"), (0.2764570791439733, b"0.27645707914397333"),
]  # fmt: skip
READ = [
    (b"1", 1.0), (b"-1.5", -1.5), (b"+2", 2.0), (b".5", 0.5), (b"5.", 5.0), (b"1e3", 1000.0),
    (b"1E-3", 0.001), (b"007", 7.0), (b"inf", inf), (b"-INF", -inf), (b"+Infinity", inf),
    (b"0x10", 16.0), (b"-0X1.8p1", -3.0), (b"0x.8", 0.5), (b"0e999", 0.0), (b"0x0p9", 0.0),
    (b"5e-324", 5e-324), (b"1.7976931348623157e308", 1.7976931348623157e308),
]  # fmt: skip
REFUSED = [
    b"", b"x", b" 1", b"1 ", b"\t1", b"1\n", b"1_0", b"1,5", b"--1", b"1e", b"e1", b".", b"nan",
    b"-NaN", b"nan(12)", b"1e400", b"-1e400", b"1e-400", b"0x", b"0xg", b"0x1p", b"0x1p9999",
    b"-0x1p-9999", b"infin", b"1\0", b"\xd9\xa1", b"1.5f",
]  # fmt: skip


@pytest.mark.parametrize(("number", "text"), PRINTED)
def test_printing(number: float, text: bytes) -> None:
    assert double_text(number) == text


@given(st.floats(allow_nan=False))
@example(2.0**-1074)
@example(2.0**1023)
def test_what_is_printed_reads_back_as_the_same_double(number: float) -> None:
    text = double_text(number)
    assert repr(to_double(text)) == repr(number)
    assert len(text) <= 24 or abs(number) > 1e17


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_short_decimals_are_printed_as_they_are_written(digits: int, decimals: int) -> None:
    number = digits / 10**decimals
    assert float(double_text(number)) == number
    if abs(number) < 10_000 and (not number or abs(number) >= 0.001):
        assert (
            double_text(number).decode() == f"{number:.{decimals}f}".rstrip("0").rstrip(".")
            if decimals
            else b"%d" % digits
        )


@pytest.mark.parametrize(("text", "number"), READ)
def test_reading(text: bytes, number: float) -> None:
    assert to_double(text) == number
    assert to_bound(text) == number


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_score(text: bytes) -> None:
    assert to_double(text) is None


def test_a_zero_keeps_its_sign() -> None:
    number = to_double(b"-0")
    assert number is not None and copysign(1.0, number) == -1.0


def test_bounds_are_read_with_less_care() -> None:
    assert to_bound(b"") == 0.0
    assert to_bound(b" \t1") == 1.0
    assert to_bound(b"2\0rubbish") == 2.0
    assert to_bound(b"1e400") == inf
    assert to_bound(b"-0x1p9999") == -inf
    assert to_bound(b"1e-400") == 0.0
    for text in (b" ", b"1 ", b"x", b"nan", b"-nan", b"1_0", b"(1"):
        assert to_bound(text) is None


def test_seventeen_digits() -> None:
    assert long_double_text(0.1) == b"0.10000000000000001"
    assert long_double_text(-0.0) == b"-0"
    assert long_double_text(1e20) == b"1e+20"
    assert long_double_text(inf) == b"inf"


@given(st.integers(1, 10**15), st.integers(-30, 30))
def test_the_short_way_to_digits_agrees_with_the_long_one(digits: int, exponent: int) -> None:
    number = float(f"{digits}e{exponent}")
    assert shortest_digits(number) == grisu_digits(number)
