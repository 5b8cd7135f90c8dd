"""The geo commands on single members (pure).

Positions are members of a sorted set, whose scores are geohashes (`keyspace.geo.geohash`).
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.geo.words import (
    distance_reply,
    parse_position,
    parse_unit,
    position_reply,
)
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.sorted_sets.members import zadd
from kiwi_engine.keyspace.geo.geohash import decode, distance, encode, text_of
from kiwi_engine.keyspace.sorted_sets.opening import open_sorted_set
from kiwi_engine.resp.reply import array, bulk, null_array

_OPTIONS: Final = frozenset((b"nx", b"xx", b"ch"))


def geoadd(context: Context, arguments: list[bytes]) -> bytes:
    at = 2
    while at < len(arguments) and arguments[at].lower() in _OPTIONS:
        at += 1
    options, triples = arguments[2:at], arguments[at:]
    if len(triples) % 3 or {b"nx", b"xx"} <= {option.lower() for option in options}:
        syntax_error()
    positions = map(parse_position, triples[::3], triples[1::3])
    scores = [b"%d" % encode(position) for position in positions]
    pairs = [word for pair in zip(scores, triples[2::3], strict=True) for word in pair]
    return zadd(context, [b"zadd", arguments[1], *options, *pairs])


def geodist(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) > 5:
        syntax_error()
    unit_metres = parse_unit(arguments[4]) if len(arguments) == 5 else 1.0
    first, second = _scores(context, arguments[1], arguments[2:4])
    if first is None or second is None:
        return context.null
    return distance_reply(distance(decode(first), decode(second)), unit_metres)


def geohash(context: Context, arguments: list[bytes]) -> bytes:
    scores = _scores(context, arguments[1], arguments[2:])
    return array([context.null if score is None else bulk(text_of(score)) for score in scores])


def geopos(context: Context, arguments: list[bytes]) -> bytes:
    nothing = null_array(context.resp3)
    scores = _scores(context, arguments[1], arguments[2:])
    return array(
        [
            nothing if score is None else position_reply(context.resp3, decode(score))
            for score in scores
        ]
    )


def _scores(context: Context, key: bytes, members: list[bytes]) -> list[float | None]:
    found = open_sorted_set(context.db, key, context.now_ms)
    return [None] * len(members) if found is None else found.scores(members)


TABLE: Final = (
    row(
        "geoadd", -5, "write denyoom", geoadd,
        summary="Adds members with a longitude and a latitude, or moves them.",
        since="3.2.0", group="geo", categories="geo",
        complexity="O(log(N)) for each member given, N being the number of members",
        syntax="key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        keys=(keys("RW update"),),
    ),
    row(
        "geodist", -4, "readonly", geodist,
        summary="Returns the distance of two members.",
        since="3.2.0", group="geo", categories="geo",
        syntax="key member1 member2 [M | KM | FT | MI]", keys=(keys("RO access"),),
    ),
    row(
        "geohash", -2, "readonly", geohash,
        summary="Returns the geohash strings of members.",
        since="3.2.0", group="geo", categories="geo",
        complexity="O(1) for each member given",
        syntax="key [member [member ...]]", keys=(keys("RO access"),),
    ),
    row(
        "geopos", -2, "readonly", geopos,
        summary="Returns the longitudes and latitudes of members.",
        since="3.2.0", group="geo", categories="geo",
        complexity="O(1) for each member given",
        syntax="key [member [member ...]]", keys=(keys("RO access"),),
    ),
)  # fmt: skip
