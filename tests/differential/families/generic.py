"""What can be done to keys of every type (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import family

FAMILY: Final = family(
    "generic",
    """
    2 set KEY SHORT_TEXT
    2 hset KEY {SHORT_TEXT SHORT_TEXT}4
    2 rpush KEY {SHORT_TEXT}5
    2 sadd KEY {SHORT_TEXT}5
    2 zadd KEY {SCORE SHORT_TEXT}5
    setbit KEY BIT 1
    pfadd KEY {SHORT_TEXT}
    xadd KEY STREAM_ID field SHORT_TEXT
    xgroup create KEY group 0
    xreadgroup group group consumer streams KEY >
    hdel KEY {SHORT_TEXT}4
    lpop KEY COUNT
    srem KEY {SHORT_TEXT}4
    zrem KEY {SHORT_TEXT}4
    select DATABASE; dbsize
    2 del {KEY}
    unlink {KEY}
    exists {KEY}
    touch {KEY}
    2 type KEY
    2 object encoding KEY
    3 rename KEY KEY
    2 renamenx KEY KEY
    3 move KEY DATABASE_OR_NOT
    4 copy KEY KEY [{(replace | db DATABASE_OR_NOT)}2]
    2 expire KEY SECONDS [{PRESENCE}2]
    pexpire KEY MILLISECONDS [{PRESENCE}2]
    expireat KEY UNIX_SECONDS [{CONDITION}2]
    pexpireat KEY UNIX_MILLISECONDS [{CONDITION}2]
    persist KEY
    ttl KEY
    pttl KEY
    expiretime KEY
    pexpiretime KEY
    dbsize
    keys PATTERN
    scan 0 count 1000 [match PATTERN] [type TYPE]
    flushdb
    flushall
    swapdb DATABASE_OR_NOT DATABASE_OR_NOT
    """,
    {
        "SCORE": (b"1", b"2", b"-1.5", b"inf"),
        "BIT": (b"0", b"7", b"100", b"1000"),
        "STREAM_ID": (b"1-1", b"2-1", b"3-*", b"5-5"),
        "DATABASE": (b"0", b"0", b"1", b"2"),
        "DATABASE_OR_NOT": (b"0", b"1", b"1", b"2", b"15", b"16", b"-1", b"x"),
        # Whether one time from now is later than another depends on the moment.
        "PRESENCE": (b"nx", b"xx", b"NX", b"junk"),
        "CONDITION": (b"nx", b"xx", b"gt", b"lt", b"NX", b"junk"),
        "TYPE": (b"string", b"hash", b"list", b"set", b"zset", b"stream", b"HASH"),
    },
    opening="""
        hset KEY {SHORT_TEXT SHORT_TEXT}8
        rpush KEY {SHORT_TEXT}8
        sadd KEY {SHORT_TEXT}8
        zadd KEY {SCORE SHORT_TEXT}8
        xadd KEY STREAM_ID field SHORT_TEXT
        setbit KEY BIT 1
    """,
    closing="""
        pexpiretime KEY
        get KEY
        hgetall KEY
        lrange KEY 0 -1
        smembers KEY
        zrange KEY 0 -1 WITHSCORES
        xrange KEY - +
        xinfo stream KEY full
    """,
)
