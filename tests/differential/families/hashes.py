"""Hashes (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import ALL_TYPES, family
from tests.differential.grammar import Vocabulary

WORDS: Final[Vocabulary] = {
    "FIELD": (b"x", b"y", b"z", b"hello", b"f1", b"f2", b"f3", b"", b"a field too long", b"7"),
    "NUMBER": (b"1", b"-7", b"1.5", b"3.0e3", b"10", b"9223372036854775807"),
    "CURSOR": (b"0", b"0", b"x"),
}
FAMILY: Final = family(
    "hashes",
    """
    6 hset KEY {FIELD SHORT_TEXT}5
    2 hset KEY FIELD INTEGER
    2 hset KEY FIELD FLOAT
    hmset KEY {FIELD SHORT_TEXT}
    2 hsetnx KEY FIELD SHORT_TEXT
    3 hget KEY FIELD
    2 hmget KEY {FIELD}
    4 hdel KEY {FIELD}4
    hexists KEY FIELD
    2 hlen KEY
    hstrlen KEY FIELD
    2 hgetall KEY
    hkeys KEY
    hvals KEY
    3 hincrby KEY FIELD INTEGER
    3 hincrbyfloat KEY FIELD FLOAT
    2 hscan KEY CURSOR count 1000 [match PATTERN]
    hscan KEY CURSOR (match | count NO_COUNT | junk)
    2 hgetall KEY; hrandfield $KEY [COUNT [withvalues]]
    hrandfield nokey [COUNT [withvalues | junk]]
    """
    + ALL_TYPES,
    WORDS,
    opening="""
        hset KEY {FIELD SHORT_TEXT}8
        hset KEY {FIELD NUMBER}5
    """,
    closing="""
        hgetall KEY
        hlen KEY
        object encoding KEY
    """,
)
