"""Numbers and times as clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commands import arguments
from kiwi_engine.commands.generic.deadlines import (
    MILLISECONDS,
    SECONDS,
    UNIX_MILLISECONDS,
    UNIX_SECONDS,
    Unit,
    any_deadline,
    positive_deadline,
)
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import to_integer
from tests.commands.helpers import Session

MAXIMUM, MINIMUM = 2**63 - 1, -(2**63)
NOW = 1_700_000_000_000


@pytest.mark.parametrize("number", [0, 1, -1, 10**17, 10**18, MAXIMUM, MINIMUM])
def test_integers(number: int) -> None:
    assert to_integer(b"%d" % number) == number


@pytest.mark.parametrize(
    "text",
    [
        b"", b" 1", b"1 ", b"+1", b"01", b"00", b"-0", b"-", b"1.0", b"1e3", b"0x10", b"1_0",
        b"abc", b"1\n", b"\xb2", b"9223372036854775808", b"-9223372036854775809", b"1" * 5000,
    ],
)  # fmt: skip
def test_not_integers(text: bytes) -> None:
    assert to_integer(text) is None
    with pytest.raises(ReplyError, match="not an integer or out of range"):
        arguments.integer(text)


@given(st.integers() | st.integers(MINIMUM, MAXIMUM))
def test_exactly_64_bits_fit(number: int) -> None:
    expected = number if MINIMUM <= number <= MAXIMUM else None
    assert to_integer(b"%d" % number) == expected


def test_ranges() -> None:
    assert arguments.integer_between(b"5", 0, 5) == 5
    with pytest.raises(ReplyError, match="out of range, value must between 0 and 5"):
        arguments.integer_between(b"6", 0, 5)
    for text in (b"6", b"x"):
        with pytest.raises(ReplyError, match=r"^my words$"):
            arguments.integer_between(text, 0, 5, "my words")


@pytest.mark.parametrize(
    ("text", "unit", "deadline_ms"),
    [
        (b"10", SECONDS, NOW + 10_000),
        (b"10", MILLISECONDS, NOW + 10),
        (b"10", UNIX_SECONDS, 10_000),
        (b"10", UNIX_MILLISECONDS, 10),
        (b"%d" % MAXIMUM, UNIX_MILLISECONDS, MAXIMUM),
        (b"%d" % (MAXIMUM - NOW), MILLISECONDS, MAXIMUM),
    ],
)
def test_deadlines(text: bytes, unit: Unit, deadline_ms: int) -> None:
    assert positive_deadline(text, unit, NOW, "set") == deadline_ms
    assert any_deadline(text, unit, NOW, "expire") == deadline_ms


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (b"%d" % (MAXIMUM // 1000 + 1), UNIX_SECONDS),
        (b"%d" % (MAXIMUM // 1000), SECONDS),
        (b"%d" % (MAXIMUM - NOW + 1), MILLISECONDS),
    ],
)
def test_deadlines_that_do_not_fit(text: bytes, unit: Unit) -> None:
    with pytest.raises(ReplyError, match="invalid expire time in 'set' command"):
        positive_deadline(text, unit, NOW, "set")
    with pytest.raises(ReplyError, match="invalid expire time in 'expire' command"):
        any_deadline(text, unit, NOW, "expire")


@pytest.mark.parametrize("text", [b"0", b"-1", b"%d" % MINIMUM])
def test_only_expire_takes_times_that_are_not_positive(text: bytes) -> None:
    with pytest.raises(ReplyError, match="invalid expire time"):
        positive_deadline(text, MILLISECONDS, NOW, "set")
    assert any_deadline(text, MILLISECONDS, NOW, "expire") == int(text) + NOW
    with pytest.raises(ReplyError, match="invalid expire time"):
        any_deadline(b"%d" % (MINIMUM // 1000 - 1), SECONDS, NOW, "expire")


def test_random_picks_have_a_bound() -> None:
    session = Session()
    session.run("sadd s a")
    session.run("hset h f v")
    session.run("zadd z 1 m")
    for line in ("srandmember s", "hrandfield h", "zrandmember z"):
        for count in (-10_000_001, -(2**63) + 1):
            assert session.run(f"{line} {count}") == b"-ERR value is out of range\r\n"
        assert session.run(f"{line} -3").startswith(b"*3\r\n")
