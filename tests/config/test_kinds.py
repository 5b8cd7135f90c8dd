"""Every kind of value: what it reads, what it refuses and in which words."""

import pytest

from kiwi_engine.config.kinds import (
    Choice,
    Duration,
    Integer,
    Kind,
    Permissions,
    Size,
    Text,
    Words,
    YesNo,
    friendly_size,
)
from kiwi_engine.config.transport_settings import TlsVersions

INTEGER = Integer(0, 100)
SIZE = Size(1, 4 * 1024**3)
DURATION_US = Duration(0, 10_000_000, "us")
DURATION_MS = Duration(1, 10_000_000, "ms")
CHOICE = Choice(("everysec", "always", "no"))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (INTEGER, "0", 0),
        (INTEGER, "100", 100),
        (Integer(-5, 5), "-5", -5),
        (SIZE, "17", 17),
        (SIZE, "17b", 17),
        (SIZE, "1k", 1000),
        (SIZE, "1kb", 1024),
        (SIZE, "2M", 2_000_000),
        (SIZE, "2MB", 2 * 1024**2),
        (SIZE, "1g", 10**9),
        (SIZE, "1Gb", 1024**3),
        (DURATION_US, "200", 200),
        (DURATION_US, "2ms", 2000),
        (DURATION_MS, "5s", 5000),
        (DURATION_MS, "2m", 120_000),
        (DURATION_MS, "1H", 3_600_000),
        (CHOICE, "Always", "always"),
        (YesNo(), "yes", True),
        (YesNo(), "No", False),
        (Permissions(), "0", 0),
        (Permissions(), "0770", 0o770),
        (TlsVersions(), "", ("TLSv1.2", "TLSv1.3")),
        (TlsVersions(), "tlsv1.3 TLSv1.2", ("TLSv1.2", "TLSv1.3")),
        (TlsVersions(), "TLSv1.3", ("TLSv1.3",)),
        (Text(), "", ""),
        (Text(), "any thing", "any thing"),
    ],
)
def test_reads(kind: Kind, text: str, value: object) -> None:
    assert kind.parse([text]) == value
    assert kind.parse([kind.render(value)]) == value


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        (INTEGER, "abc", "argument couldn't be parsed into an integer"),
        (INTEGER, "", "argument couldn't be parsed into an integer"),
        (INTEGER, " 1", "argument couldn't be parsed into an integer"),
        (INTEGER, "1_0", "argument couldn't be parsed into an integer"),
        (INTEGER, "007", "argument couldn't be parsed into an integer"),
        (INTEGER, "\u0663", "argument couldn't be parsed into an integer"),
        (INTEGER, "101", "argument must be between 0 and 100 inclusive"),
        (INTEGER, "-1", "argument must be between 0 and 100 inclusive"),
        (SIZE, "-1", "argument must be a memory value"),
        (SIZE, "1.5mb", "argument must be a memory value"),
        (SIZE, "1tb", "argument must be a memory value"),
        (SIZE, "mb", "argument must be a memory value"),
        (SIZE, "0", "argument must be between 1 and 4294967296 inclusive"),
        (SIZE, "5gb", "argument must be between 1 and 4294967296 inclusive"),
        (DURATION_MS, "5us", "argument must be a whole number of ms"),
        (DURATION_MS, "0", "argument must be between 1 and 10000000 inclusive"),
        (DURATION_MS, "soon", "argument must be a duration such as 200us, 50ms, 2s, 5m or 1h"),
        (DURATION_MS, "5d", "argument must be a duration such as 200us, 50ms, 2s, 5m or 1h"),
        (
            CHOICE,
            "sometimes",
            "argument(s) must be one of the following: everysec, always, no",
        ),
        (YesNo(), "maybe", "argument must be 'yes' or 'no'"),
        (Permissions(), "9", "argument couldn't be parsed as an octal number"),
        (Permissions(), "7777", "argument must be between 0 and 777 inclusive"),
        (
            TlsVersions(),
            "TLSv1.1 TLSv1.2",
            "argument must be TLSv1.2 or TLSv1.3, or both; older ones are broken",
        ),
        (Text(must_be_given=True), "", "argument must not be empty"),
        (Text(), "a\0b", "argument must not contain a zero byte"),
        (Words(), "  ", "argument must not be empty"),
    ],
)
def test_refuses(kind: Kind, text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        kind.parse([text])
    assert str(caught.value) == problem


@pytest.mark.parametrize("words", [[], ["1", "2"]])
@pytest.mark.parametrize(
    "kind", [INTEGER, SIZE, DURATION_MS, CHOICE, Text(), YesNo(), Permissions()]
)
def test_one_word_is_expected(kind: Kind, words: list[str]) -> None:
    with pytest.raises(ValueError, match="wrong number of arguments"):
        kind.parse(words)


def test_words_may_come_apart_or_together() -> None:
    assert Words().parse(["127.0.0.1", "::1"]) == ("127.0.0.1", "::1")
    assert Words().parse(["127.0.0.1 ::1"]) == ("127.0.0.1", "::1")
    assert Words().render(("127.0.0.1", "::1")) == "127.0.0.1 ::1"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (1000, "1000"), (1536, "1536"), (2048, "2kb"), (3 * 1024**3, "3gb")],
)
def test_friendly_size(value: int, text: str) -> None:
    assert friendly_size(value) == text
