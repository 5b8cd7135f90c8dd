"""Sets of integers, and of anything (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import ALL_TYPES, family

FAMILY: Final = family(
    "sets",
    """
    4 sadd KEY {MEMBER}5
    5 sadd KEY {NUMBER}5
    3 srem KEY {MEMBER}3
    3 srem KEY {NUMBER}3
    sismember KEY MEMBER
    smismember KEY {MEMBER}
    3 smembers KEY
    scard KEY
    3 smove KEY KEY MEMBER
    2 sinter {KEY}
    2 sintercard #{KEY} [limit COUNT]
    sintercard COUNT {KEY} [limit COUNT]
    2 sunion {KEY}
    2 sdiff {KEY}
    2 sinterstore KEY {KEY}
    2 sunionstore KEY {KEY}
    2 sdiffstore KEY {KEY}
    2 sscan KEY CURSOR count 1000 [match PATTERN]
    sscan KEY CURSOR (match | count NO_COUNT | junk)
    2 smembers KEY; srandmember $KEY [COUNT]
    2 smembers KEY; spop $KEY [COUNT]; scard $KEY; del $KEY
    srandmember nokey [COUNT]
    spop nokey [COUNT]
    """
    + ALL_TYPES,
    {
        "NUMBER": (b"1", b"2", b"3", b"-5", b"70000", b"5000000000", b"10", b"0"),
        "MEMBER": (b"x", b"y", b"z", b"1", b"2", b"007", b"", b"hello", b"a text that is long"),
        "CURSOR": (b"0", b"0", b"x"),
    },
    opening="""
        sadd KEY {MEMBER}8
        sadd KEY {NUMBER}6
    """,
    closing="""
        smembers KEY
        scard KEY
        object encoding KEY
    """,
)
