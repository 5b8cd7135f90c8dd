"""What the families have in common: words, and the shape of a family (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from tests.differential.grammar import Grammar, Vocabulary, Words

KEYS: Final = (*[b"a"] * 10, *[b"b"] * 6, *[b"c"] * 2, b"d")
INTEGERS: Final = (
    b"0", b"1", b"-1", b"2", b"3", b"7", b"-7", b"10", b"100", b"9999", b"10000", b"-0", b"01",
    b"+1", b" 1", b"1 ", b"", b"abc", b"1.5", b"1e3", b"0x10", b"9223372036854775807",
    b"-9223372036854775808", b"9223372036854775808", b"-9223372036854775809",
)  # fmt: skip
FLOATS: Final = (
    b"0.1", b"0.2", b"1.5", b"-1.5", b"3.0e3", b"1e17", b"1e-17", b"1e300", b"-1e300", b"1e4931",
    b"inf", b"nan", b".5", b"5.", b"1e", b"0x1p4", b"123456789.123456789", b"18446744073709551617",
)  # fmt: skip
TEXTS: Final = (b"", b"x", b"hello", b"hello world", b"\x00\r\n\xff", b"x" * 44, b"x" * 45)
SHORT_TEXTS: Final = (b"", b"x", b"y", b"7", b"-1", b"hello", b"a longer text", b"\x00\r\n\xff")
# Far from now on both sides, so that no reply depends on when a sequence runs.
SECONDS: Final = (
    *[b"100", b"1000", b"100000"] * 4, b"0", b"-1", b"x", b"9223372036854775807",
)  # fmt: skip
UNIX_SECONDS: Final = (b"33177117420", b"33177117421", b"33177117420", b"1", b"0", b"-1", b"x")
COUNTS: Final = (b"1", b"2", b"3", b"5", b"10", b"0", b"-1", b"-2", b"-5", b"-10", b"x")
# What happens to keys of every type.
ALL_TYPES: Final = """
    set d SHORT_TEXT
    del KEY
    type KEY
    3 object encoding KEY
    expire KEY SECONDS
    pexpireat KEY PAST_OR_FUTURE
    persist KEY
    rename KEY KEY
    copy KEY KEY [replace]
"""


def integer(rng: Random) -> bytes:
    """Mostly one of those that are on some border."""
    if rng.random() < 0.7:
        return rng.choice(INTEGERS)
    return b"%d" % rng.randint(-(2**63), 2**63 - 1)


def index(rng: Random) -> bytes:
    """A place in something short, from either end, or no number at all."""
    if rng.random() < 0.9:
        return b"%d" % rng.randint(-12, 12)
    return rng.choice(INTEGERS)


def real(rng: Random) -> bytes:
    """Numbers as people write them, any double, and what is none."""
    match rng.randrange(4):
        case 0:
            return rng.choice(FLOATS)
        case 1:
            return integer(rng)
        case 2:
            return b"%d.%d" % (rng.randint(-1000, 1000), rng.randint(0, 999))
        case _:
            return repr(rng.uniform(-1, 1) * 10.0 ** rng.randint(-20, 20)).encode()


def value(rng: Random) -> bytes:
    """Texts, numbers and random bytes."""
    match rng.randrange(4):
        case 0:
            return integer(rng)
        case 1:
            return real(rng)
        case 2:
            return rng.randbytes(rng.randrange(20))
        case _:
            return rng.choice(TEXTS)


WORDS: Final[Vocabulary] = {
    "KEY": KEYS,
    "INTEGER": integer,
    "INDEX": index,
    "FLOAT": real,
    "VALUE": value,
    "TEXT": TEXTS,
    "SHORT_TEXT": SHORT_TEXTS,
    "SECONDS": SECONDS,
    "MILLISECONDS": tuple(text + b"000" for text in SECONDS),
    "UNIX_SECONDS": UNIX_SECONDS,
    "UNIX_MILLISECONDS": tuple(text + b"123" for text in UNIX_SECONDS),
    "PAST_OR_FUTURE": (b"1", *[b"33177117420123"] * 5),
    "COUNT": COUNTS,
    "NO_COUNT": (b"0", b"-1", b"x", b"", b"1.5"),
    "PATTERN": (b"*", b"?", b"h*", b"[a-c]", b"*o", b"", b"\\*", b"nothing"),
}


@dataclass(frozen=True)
class Family:
    """`opening` makes something to work with in most sequences, by its first three commands.

    `closing` is run after every sequence: it shows what the sequence has left behind.


    `references` names the servers to compare with. Valkey is the one that has all of Redis 7.2;
    Redis itself is asked, too, where 7.0 does the same. `cost` is how many times as long its
    sequences take as those of others: there are as many times fewer.
    """

    name: str
    grammar: Grammar
    opening: Grammar
    closing: tuple[Words, ...] = ()
    references: tuple[str, ...] = ("valkey",)
    cost: int = 1


def family(
    name: str,
    text: str,
    words: Vocabulary,
    *,
    opening: str = "",
    closing: str = "",
    references: str = "valkey",
    has_mistakes: bool = True,
    cost: int = 1,
) -> Family:
    """A family over the common vocabulary and `words`; `closing` is said of each key."""
    last = [line.split() for line in closing.strip().splitlines()]
    return Family(
        name,
        Grammar(text, {**WORDS, **words}, has_mistakes=has_mistakes),
        Grammar(opening or text, {**WORDS, **words}, has_mistakes=False),
        tuple(
            [key if word == "KEY" else word.encode() for word in words]
            for key in sorted(set(KEYS))
            for words in last
        ),
        tuple(references.split()),
        cost,
    )
