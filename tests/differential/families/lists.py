"""Lists, without the forms that wait (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import ALL_TYPES, family

FAMILY: Final = family(
    "lists",
    """
    4 rpush KEY {ELEMENT}5
    4 lpush KEY {ELEMENT}5
    rpushx KEY {ELEMENT}
    lpushx KEY {ELEMENT}
    3 lpop KEY [COUNT]
    3 rpop KEY [COUNT]
    llen KEY
    3 lindex KEY INDEX
    3 lrange KEY INDEX INDEX
    3 lset KEY PLACE ELEMENT
    4 linsert KEY (before | after) ELEMENT ELEMENT
    4 lrem KEY COUNT ELEMENT
    3 ltrim KEY INDEX INDEX
    4 lpos KEY ELEMENT [{(rank COUNT | count COUNT | maxlen COUNT)}]
    3 lmove KEY KEY (left | right) (left | right)
    2 rpoplpush KEY KEY
    3 lmpop #{KEY} (left | right) [count COUNT]
    lmpop COUNT {KEY} (left | right | junk) [count COUNT]
    """
    + ALL_TYPES,
    {
        # Without those that Redis' LSET cuts off to 32 bits.
        "PLACE": (b"0", b"1", b"2", b"5", b"-1", b"-2", b"-7", b"9", b"x", b"1.5"),
        "ELEMENT": (b"x", b"y", b"z", b"x", b"y", b"", b"7", b"hello", b"a text that is long"),
    },
    opening="""
        rpush KEY {ELEMENT}8
    """,
    closing="""
        lrange KEY 0 -1
        llen KEY
        object encoding KEY
    """,
)
