"""Strings and their deadlines (pure)."""

from __future__ import annotations

from typing import Final

from tests.differential.families.family import family

FAMILY: Final = family(
    "strings",
    """
    4 set KEY VALUE
    3 set KEY VALUE {(nx | xx | get | keepttl | junk | ex SECONDS | px MILLISECONDS
        | exat UNIX_SECONDS | pxat UNIX_MILLISECONDS)}
    2 get KEY
    exists KEY
    ttl KEY
    expiretime KEY
    pexpiretime KEY
    type KEY
    dbsize
    setnx KEY VALUE
    setex KEY SECONDS VALUE
    psetex KEY MILLISECONDS VALUE
    getset KEY VALUE
    getdel KEY
    2 getex KEY [{(persist | ex SECONDS | px MILLISECONDS | exat UNIX_SECONDS
        | pxat UNIX_MILLISECONDS)}2]
    mget {KEY}
    2 mset {KEY VALUE}
    msetnx {KEY VALUE}
    append KEY VALUE
    strlen KEY
    setrange KEY INDEX VALUE
    getrange KEY INDEX INDEX
    substr KEY INDEX INDEX
    rpush KEY VALUE
    lcs KEY KEY [len | idx | idx withmatchlen | idx minmatchlen INDEX]
    """,
    {},
    closing="get KEY",
    references="redis",
)
