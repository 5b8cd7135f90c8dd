"""Bits of strings (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import ALL_TYPES, family

FAMILY: Final = family(
    "bitmaps",
    """
    6 setbit KEY OFFSET BIT
    3 getbit KEY OFFSET
    3 bitcount KEY [INDEX INDEX]
    3 bitcount KEY PLACE PLACE (byte | bit)
    4 bitpos KEY BIT [INDEX [INDEX]]
    2 bitpos KEY BIT PLACE PLACE (byte | bit)
    5 bitop (and | or | xor) KEY {KEY}
    2 bitop not KEY KEY
    bitop (not | junk) KEY {KEY}
    3 bitfield KEY {(get TYPE AT | set TYPE AT INTEGER | incrby TYPE AT NUMBER
        | overflow (wrap | sat | fail))}5
    2 bitfield KEY overflow (sat | fail | wrap | junk) incrby TYPE AT INTEGER
    bitfield KEY get TYPE AT (get BAD_TYPE AT | set TYPE BAD_AT 1)
    bitfield_ro KEY {get TYPE AT}
    bitfield_ro KEY set TYPE AT 1
    2 set KEY TEXT
    setrange KEY INDEX TEXT
    append KEY TEXT
    2 getrange KEY INDEX INDEX
    strlen KEY
    get KEY
    incr KEY
    getdel KEY
    getset KEY TEXT
    setnx KEY TEXT
    mget {KEY}
    rpush KEY TEXT
    """
    + ALL_TYPES,
    {
        "PLACE": (b"0", b"1", b"2", b"5", b"-1", b"-2", b"-3", b"9", b"100"),
        "OFFSET": (b"0", b"1", b"7", b"8", b"30", b"100", b"257", b"1000", b"3", b"12",
                   b"20", b"-1", b"4294967296"),
        "BIT": (b"0", b"1", b"1", b"1", b"0", b"1", b"1", b"2"),
        "TYPE": (b"u8", b"i8", b"u1", b"i1", b"u63", b"i64", b"i5", b"u16", b"u7", b"i33", b"u12",
                 b"i16"),
        "BAD_TYPE": (b"u64", b"i65", b"u0", b"x8", b"i", b""),
        "AT": (b"0", b"1", b"7", b"#0", b"#1", b"#5", b"100", b"13", b"64", b"#2"),
        "BAD_AT": (b"-1", b"x", b"#x", b"#", b"9223372036854775807"),
        "NUMBER": (b"1", b"-1", b"100", b"-100", b"255"),
    },
    opening="""
        setbit KEY OFFSET 1
        set KEY TEXT
        bitfield KEY {set TYPE AT INTEGER}
    """,
    closing="""
        get KEY
        strlen KEY
        object encoding KEY
    """,
)  # fmt: skip
