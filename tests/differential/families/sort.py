"""SORT of lists, sets and sorted sets, by itself and by other keys (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import family

# Where texts are equal, or missing, elements stay as they were: sets have no such order, so theirs
# are not compared by texts of other keys. With LIMIT, Redis' partial sort leaves them in any order.
# Sets are made of few members at once: Redis 7.2 makes a hash table where more are announced.
_LIMIT: Final = "[limit INDEX INDEX] [asc | desc]"
_ORDER: Final = f"{_LIMIT} [alpha]"
_TAIL: Final = "[{get GET}] [store KEY]"

FAMILY: Final = family(
    "sort",
    f"""
    3 rpush l {{NUMBER}}5
    3 rpush KEY {{ELEMENT}}5
    3 sadd s {{NUMBER}}
    sadd s {{ELEMENT}}
    3 zadd z {{NUMBER ELEMENT}}5
    zadd z {{NUMBER NUMBER}}5
    4 mset {{WEIGHT NUMBER}}
    mset {{WEIGHT ELEMENT}}
    3 hset HASH field NUMBER other ELEMENT
    del WEIGHT
    3 sort (KEY | l) {_ORDER} {_TAIL}
    4 sort (KEY | l) [by (BY | ANY_BY)] {_LIMIT} {_TAIL}
    2 sort (KEY | l) by (BY | ANY_BY) [asc | desc] alpha {_TAIL}
    3 sort (s | z) {_ORDER} {_TAIL}
    3 sort (s | z) [by BY] {_LIMIT} {_TAIL}
    2 sort z by nosort {_ORDER} {_TAIL}
    sort s by nosort [get GET]
    sort s by nosort {_LIMIT} store KEY
    2 sort_ro (KEY | l) [by BY] {_LIMIT} [{{get GET}}]
    sort_ro (KEY | s | z) {_ORDER}
    sort_ro KEY store KEY
    sort KEY {{(asc | desc | limit | by | get | junk)}}
    set KEY ELEMENT
    del KEY
    del (l | s | z)
    expire KEY SECONDS
    ttl KEY
    """,
    {
        "NUMBER": (b"1", b"2", b"3", b"10", b"-5", b"2.5", b"1e2", b"3"),
        "ELEMENT": (b"1", b"2", b"3", b"x", b"y", b"hello", b"", b"10", b"a text that is long"),
        "WEIGHT": (b"w_1", b"w_2", b"w_3", b"w_10", b"w_x", b"w_y"),
        "HASH": (b"h_1", b"h_2", b"h_3", b"h_x", b"w_1"),
        "BY": (b"w_*", b"w_*", b"h_*->field", b"h_*->other", b"h_*->none", b"none_*", b"*", b"w*_"),
        "ANY_BY": (b"w_*", b"h_*->field", b"none_*", b"nosort", b"nosort", b""),
        "GET": (b"#", b"w_*", b"h_*->field", b"h_*->other", b"none_*", b"w_1", b"*", b"h_*->"),
    },
    opening="""
        rpush l {NUMBER}8
        rpush KEY {ELEMENT}8
        sadd s {NUMBER}
        zadd z {NUMBER ELEMENT}8
        mset {WEIGHT NUMBER}6
        hset HASH field NUMBER other ELEMENT
    """,
    closing="""
        lrange KEY 0 -1
    """,
    # Not Valkey, for which an empty text is no number.
    references="redis",
)
