"""Deadlines of the fields of hashes, without mistakes (pure).

These commands are those of Redis 7.4, and Valkey, which they are compared with, has other words for
most errors. Those are held by tests/commands.
"""

from __future__ import annotations

from typing import Final

from tests.differential.families import hashes
from tests.differential.families.family import family

FAMILY: Final = family(
    "field_expiry",
    """
    8 hset KEY {FIELD SHORT_TEXT}5
    hsetnx KEY FIELD SHORT_TEXT
    2 hget KEY FIELD
    hmget KEY {FIELD}
    3 hdel KEY {FIELD}4
    hexists KEY FIELD
    hlen KEY
    hgetall KEY
    hincrby KEY FIELD COUNT
    hscan KEY 0 count 1000
    4 hexpire KEY SECONDS [PRESENCE] fields #{FIELD}
    3 hpexpire KEY MILLISECONDS [PRESENCE] fields #{FIELD}
    3 hexpireat KEY UNIX_SECONDS [CONDITION] fields #{FIELD}
    3 hpexpireat KEY UNIX_MILLISECONDS [CONDITION] fields #{FIELD}
    4 hpersist KEY fields #{FIELD}
    3 httl KEY fields #{FIELD}
    2 hpttl KEY fields #{FIELD}
    2 hexpiretime KEY fields #{FIELD}
    2 hpexpiretime KEY fields #{FIELD}
    set KEY SHORT_TEXT
    del KEY
    rename KEY KEY
    copy KEY KEY [replace]
    expire KEY SECONDS
    move KEY 1
    """,
    {
        **hashes.WORDS,
        "SECONDS": (b"100", b"1000", b"100000", b"1000", b"0"),
        "MILLISECONDS": (b"100000", b"1000000", b"100000", b"0"),
        "UNIX_SECONDS": (b"33177117420", b"33177117421", b"1"),
        "UNIX_MILLISECONDS": (b"33177117420123", b"33177117421123", b"1"),
        # Whether one time from now is later than another depends on the moment.
        "PRESENCE": (b"nx", b"xx", b"NX"),
        "CONDITION": (b"nx", b"xx", b"gt", b"lt", b"NX"),
    },
    has_mistakes=False,
    opening="""
        hset KEY {FIELD SHORT_TEXT}8
        hpexpire KEY MILLISECONDS fields #{FIELD}
    """,
    closing="""
        hgetall KEY
        hlen KEY
        hpexpiretime KEY fields 4 x y z hello
    """,
)
