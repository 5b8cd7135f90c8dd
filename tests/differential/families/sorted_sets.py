"""Sorted sets; `lex` holds members of one score, as the commands by member ask for (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import ALL_TYPES, family

FAMILY: Final = family(
    "sorted_sets",
    """
    7 zadd KEY {SCORE MEMBER}5
    4 zadd KEY [nx | xx] [gt | lt] [ch] [incr] {SCORE SHORT}2
    2 zadd KEY {(nx | xx | gt | lt | ch)}2 {ANY_SCORE SHORT}2
    4 zadd lex {0 MEMBER}5
    2 zincrby KEY ANY_SCORE MEMBER
    4 zrem KEY {MEMBER}
    zrem lex {MEMBER}
    zcard KEY
    zscore KEY MEMBER
    zmscore KEY {MEMBER}
    2 zcount KEY BOUND BOUND
    2 zlexcount lex LEX_BOUND LEX_BOUND
    3 zrange KEY INDEX INDEX [rev] [withscores]
    4 zrange KEY BOUND BOUND byscore [rev] [limit OFFSET INDEX] [withscores]
    3 zrange lex LEX_BOUND LEX_BOUND bylex [rev] [limit OFFSET INDEX]
    zrange KEY PLACE PLACE {(byscore | bylex | rev | limit OFFSET INDEX | withscores | junk)}
    2 zrangestore KEY KEY INDEX INDEX [rev]
    2 zrangestore KEY KEY BOUND BOUND byscore [rev] [limit OFFSET INDEX]
    zrangestore KEY lex LEX_BOUND LEX_BOUND bylex [rev] [limit OFFSET INDEX]
    zrevrange KEY INDEX INDEX [withscores]
    zrangebyscore KEY BOUND BOUND [withscores] [limit OFFSET INDEX]
    zrevrangebyscore KEY BOUND BOUND [withscores] [limit OFFSET INDEX]
    zrangebylex lex LEX_BOUND LEX_BOUND [limit OFFSET INDEX]
    zrevrangebylex lex LEX_BOUND LEX_BOUND [limit OFFSET INDEX]
    2 zrank KEY MEMBER [withscore | junk]
    2 zrevrank KEY MEMBER [withscore]
    2 zremrangebyrank KEY INDEX INDEX
    2 zremrangebyscore KEY BOUND BOUND
    zremrangebylex lex LEX_BOUND LEX_BOUND
    2 zpopmin KEY [COUNT]
    2 zpopmax KEY [COUNT]
    2 zmpop #{KEY} (min | max) [count COUNT]
    2 zunion #{KEY} [aggregate (sum | min | max)] [withscores]
    zunion 2 KEY KEY weights SCORE SCORE [aggregate (sum | min | max)] [withscores]
    zunion COUNT {KEY} [weights {SCORE}] [aggregate junk] [withscores]
    2 zinter #{KEY} [aggregate (sum | min | max)] [withscores]
    zinter 2 KEY KEY weights ANY_SCORE SCORE [aggregate (sum | min | max)] [withscores]
    2 zdiff #{KEY} [withscores]
    zintercard #{KEY} [limit COUNT]
    2 zunionstore KEY #{KEY} [aggregate (sum | min | max)]
    zunionstore KEY 2 KEY KEY weights SCORE ANY_SCORE [aggregate (sum | min | max)]
    2 zinterstore KEY #{KEY} [aggregate (sum | min | max)]
    2 zdiffstore KEY #{KEY}
    2 sadd KEY {MEMBER}
    zscan KEY CURSOR count 1000 [match PATTERN]
    zscan KEY CURSOR (match | count NO_COUNT | junk)
    2 zrange KEY 0 -1 withscores; zrandmember $KEY [COUNT [withscores]]
    zrandmember nokey [COUNT [withscores | junk]]
    """
    + ALL_TYPES,
    {
        "SCORE": (b"1", b"2", b"2", b"3", b"-1", b"1.5", b"0", b"inf", b"-inf", b"1e20", b"0.1"),
        "ANY_SCORE": (b"1", b"-2.5", b"nan", b"x", b"", b"+inf", b"-inf", b"1e309",
                      b"-0", b"3.0", b" 1", b"1 ", b"1e-320", b"123456789.123456789", b"+1"),
        "MEMBER": (b"x", b"y", b"z", b"a", b"b", b"", b"7", b"hello", b"a text that is long"),
        # Newer Valkeys change the encoding for a long member even if XX keeps it out.
        "SHORT": (b"x", b"y", b"z", b"a", b"b", b"", b"7", b"hello"),
        "BOUND": (b"-inf", b"+inf", b"1", b"2", b"(2", b"(1", b"3", b"0", b"(inf", b"(-inf",
                  b"1.5", b"x", b"(", b"", b"nan"),
        # Also taken for scores; Valkey refuses those that begin with a blank or are hexadecimal.
        "PLACE": (b"0", b"1", b"2", b"5", b"-1", b"-2", b"-7", b"9", b"x", b"1.5", b""),
        "LEX_BOUND": (b"-", b"+", b"[x", b"(x", b"[b", b"(b", b"[hello", b"[", b"(", b"x", b"[z"),
        "CURSOR": (b"0", b"0", b"x"),
        # Newer Valkeys count a negative one from the end; see sequences/sorted_sets.txt.
        "OFFSET": (b"0", b"1", b"2", b"3", b"10", b"x"),
    },
    opening="""
        3 zadd KEY {SCORE MEMBER}8
        zadd lex {0 MEMBER}8
    """,
    closing="""
        zrange KEY 0 -1 WITHSCORES
        zcard KEY
        object encoding KEY
    """,
)  # fmt: skip
