"""Streams and consumer groups, without the forms that wait (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import ALL_TYPES, family

_TRIM: Final = "(maxlen [=] COUNT | minid [=] ID)"

FAMILY: Final = family(
    "streams",
    f"""
    9 xadd KEY NEW_ID {{FIELD SHORT_TEXT}}2
    3 xadd KEY [nomkstream] [{_TRIM}] NEW_ID {{FIELD SHORT_TEXT}}2
    xadd KEY {_TRIM} limit COUNT NEW_ID FIELD SHORT_TEXT
    3 xrange KEY START END [count COUNT]
    2 xrevrange KEY END START [count COUNT]
    2 xlen KEY
    2 xdel KEY {{ID}}
    2 xtrim KEY {_TRIM}
    xtrim KEY (maxlen | minid) [~] COUNT limit COUNT
    xsetid KEY ID [entriesadded COUNT] [maxdeletedid ID]
    3 xread [count COUNT] streams KEY AFTER
    2 xread [count COUNT] streams KEY KEY AFTER AFTER
    xread streams KEY {{AFTER}}
    5 xgroup create KEY GROUP AFTER [mkstream] [entriesread COUNT]
    2 xgroup create KEY GROUP 0 mkstream
    xgroup destroy KEY GROUP
    2 xgroup createconsumer KEY GROUP CONSUMER
    2 xgroup delconsumer KEY GROUP CONSUMER
    2 xgroup setid KEY GROUP AFTER [entriesread COUNT]
    xgroup SHORT_TEXT KEY GROUP
    8 xreadgroup group GROUP CONSUMER [count COUNT] [noack] streams KEY >
    3 xreadgroup group GROUP CONSUMER [count COUNT] streams KEY AFTER
    2 xreadgroup group GROUP CONSUMER [count COUNT] streams KEY KEY > >
    3 xack KEY GROUP {{ID}}
    4 xpending KEY GROUP
    4 xpending KEY GROUP [idle IDLE] START END COUNT [CONSUMER]
    5 xclaim KEY GROUP CONSUMER IDLE {{ID}} [{{(idle COUNT | time TIME | retrycount COUNT | force
        | justid | lastid ID)}}2]
    4 xautoclaim KEY GROUP CONSUMER IDLE START [count COUNT] [justid]
    2 xinfo stream KEY
    3 xinfo stream KEY full [count COUNT]
    2 xinfo groups KEY
    2 xinfo consumers KEY GROUP
    xinfo SHORT_TEXT KEY
    """
    + ALL_TYPES,
    {
        "NEW_ID": (b"1-1", b"1-2", b"1-*", b"2-1", b"2-*", b"3-3", b"3-*", b"5-0", b"5-*", b"7",
                   b"8-*", b"9-9", b"12-*", b"20-*", b"0-0", b"1-x", b"18446744073709551615-*"),
        "ID": (b"1-1", b"1-2", b"1-0", b"2-1", b"2-0", b"3-3", b"3-4", b"5-0", b"5-1", b"7-0",
               b"8-0", b"9-9", b"99999999999999-1", b"x", b"0-0", b"4"),
        "START": (*[b"-"] * 5, b"0", b"1-2", b"2", b"(1-1", b"(3-3", b"5-1", b"+", b"x", b"(-"),
        "END": (*[b"+"] * 5, b"9", b"3-3", b"(5-0", b"2", b"7-0", b"-", b"(0-0", b"x"),
        "AFTER": (b"0", b"0", b"0", b"0-0", b"$", b"1-1", b"2", b"3-3", b"5-0", b"x"),
        "FIELD": (b"f", b"g", b"field", b""),
        "KEY": (*[b"a"] * 12, *[b"b"] * 3, b"c", b"d"),
        "COUNT": (*[b"1", b"2", b"3", b"10"] * 4, b"0", b"-1", b"x"),
        "GROUP": (b"g", b"g", b"g", b"g", b"g", b"h"),
        "CONSUMER": (b"alice", b"alice", b"bob", b"carol"),
        "IDLE": (b"0", b"0", b"0", b"0", b"0", b"100000000", b"-1", b"x"),
        "TIME": (b"1", b"1000000000000", b"x"),
    },
    opening="""
        3 xadd KEY NEW_ID {FIELD SHORT_TEXT}2
        3 xgroup create KEY g 0 mkstream; xadd $KEY 1-1 f x; xadd $KEY 2-* f y
        3 xgroup create KEY g 0 mkstream; xadd $KEY 1-2 f x; xadd $KEY 3-3 f y;
            xreadgroup group g alice count COUNT streams $KEY >
    """,
    closing="""
        xrange KEY - +
        xinfo stream KEY full count 0
        xpending KEY g - + 100
        xinfo consumers KEY g
        xinfo groups KEY
    """,
)  # fmt: skip
