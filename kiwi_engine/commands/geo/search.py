"""The geo commands that search: GEOSEARCH, GEORADIUS and their relatives (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.geo.options import (
    Dialect,
    Query,
    check_result,
    check_shape,
    read_member,
    read_options,
    read_radius,
)
from kiwi_engine.commands.geo.words import distance_reply, parse_position, position_reply
from kiwi_engine.commands.rows import keys, keyword_keys, row
from kiwi_engine.commands.sorted_sets.algebra import store_result
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.geo.search import Found, search
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet, open_sorted_set
from kiwi_engine.resp.reply import array, bulk, bulk_array
from kiwi_engine.resp.reply import integer as integer_reply


def geosearch(context: Context, arguments: list[bytes]) -> bytes:
    query = Query(open_sorted_set(context.db, arguments[1], context.now_ms))
    read_options(query, Dialect.SEARCH, arguments[2:])
    check_shape(query, arguments[0])
    return _answer(context, query)


def geosearchstore(context: Context, arguments: list[bytes]) -> bytes:
    query = Query(open_sorted_set(context.db, arguments[2], context.now_ms))
    query.store_key = arguments[1]
    read_options(query, Dialect.SEARCH_STORE, arguments[3:])
    check_result(query, "GEOSEARCHSTORE")
    check_shape(query, arguments[0])
    return _answer(context, query, b"geosearchstore")


def georadius(context: Context, arguments: list[bytes]) -> bytes:
    return _around_position(context, arguments, Dialect.RADIUS)


def georadius_ro(context: Context, arguments: list[bytes]) -> bytes:
    return _around_position(context, arguments, Dialect.RADIUS_READ)


def _around_position(context: Context, arguments: list[bytes], dialect: Dialect) -> bytes:
    query = Query(open_sorted_set(context.db, arguments[1], context.now_ms))
    query.centre = parse_position(arguments[2], arguments[3])
    read_radius(query, arguments[4], arguments[5])
    read_options(query, dialect, arguments[6:])
    check_result(query, "STORE option in GEORADIUS")
    return _answer(context, query)


def georadiusbymember(context: Context, arguments: list[bytes]) -> bytes:
    return _around_member(context, arguments, Dialect.RADIUS)


def georadiusbymember_ro(context: Context, arguments: list[bytes]) -> bytes:
    return _around_member(context, arguments, Dialect.RADIUS_READ)


def _around_member(context: Context, arguments: list[bytes], dialect: Dialect) -> bytes:
    query = Query(open_sorted_set(context.db, arguments[1], context.now_ms))
    if query.elements is not None:
        read_member(query, arguments[2])
        read_radius(query, arguments[3], arguments[4])
    read_options(query, dialect, arguments[5:])
    check_result(query, "STORE option in GEORADIUS")
    return _answer(context, query)


def _answer(context: Context, query: Query, event: bytes = b"georadiusstore") -> bytes:
    """The reply; `event` is how Redis calls it if the result is stored."""
    if query.takes_any and not query.count:
        raise ReplyError("ERR the ANY argument requires COUNT argument")
    found = [] if query.elements is None else _found(query, query.elements)
    if query.store_key is not None:
        return _store(context, query, query.store_key, found, event)
    if not query.detail_count:
        return bulk_array([each.member for each in found])
    return array([_described(context, query, each) for each in found])


def _found(query: Query, elements: AnySortedSet) -> list[Found]:
    """What was searched for, in its order."""
    found = search(elements, query.shape, query.count if query.takes_any else None)
    # The nearest ones are meant where some are wanted and not just any.
    if query.is_sorted or (query.count and not query.takes_any):
        found.sort(key=lambda each: each.metres, reverse=query.is_descending)
    return found[: query.count] if query.count else found


def _described(context: Context, query: Query, found: Found) -> bytes:
    parts = [bulk(found.member)]
    if query.with_distance:
        parts.append(distance_reply(found.metres, query.unit_metres))
    if query.with_hash:
        parts.append(integer_reply(int(found.score)))
    if query.with_position:
        parts.append(position_reply(context.resp3, found.position))
    return array(parts)


def _store(context: Context, query: Query, key: bytes, found: list[Found], event: bytes) -> bytes:
    elements = [
        (each.member, each.metres / query.unit_metres if query.stores_distance else each.score)
        for each in found
    ]
    return store_result(context, key, elements, event)


_COMPLEXITY: Final = (
    "O(N+log(M)), N being the number of members in the areas around the shape and M that of all"
)
_UNIT: Final = "<M | KM | FT | MI>"
_COMMON_SYNTAX: Final = "[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]"
_SHAPE_SYNTAX: Final = (
    "<FROMMEMBER member | FROMLONLAT longitude latitude> "
    f"<BYRADIUS radius {_UNIT} | BYBOX width height {_UNIT}> [ASC | DESC] [COUNT count [ANY]]"
)
_STORE_SYNTAX: Final = "[STORE storekey | STOREDIST storedistkey]"

TABLE: Final = (
    row(
        "geosearch", -7, "readonly", geosearch,
        summary="Finds members inside of a circle or a box.",
        since="6.2.0", group="geo", categories="geo", complexity=_COMPLEXITY,
        syntax=f"key {_SHAPE_SYNTAX} [WITHCOORD] [WITHDIST] [WITHHASH]",
        keys=(keys("RO access"),),
    ),
    row(
        "geosearchstore", -8, "write denyoom", geosearchstore,
        summary="Stores the members inside of a circle or a box as a sorted set.",
        since="6.2.0", group="geo", categories="geo", complexity=_COMPLEXITY,
        syntax=f"destination source {_SHAPE_SYNTAX} [STOREDIST]",
        keys=(keys("OW update"), keys("RO access", first=2)),
    ),
    row(
        "georadius", -6, "write denyoom movablekeys", georadius,
        summary="Finds members around a position, and stores them if asked to.",
        since="3.2.0", group="geo", categories="geo", complexity=_COMPLEXITY,
        syntax=f"key longitude latitude radius {_UNIT} {_COMMON_SYNTAX} {_STORE_SYNTAX}",
        keys=(
            keys("RO access"),
            keyword_keys("OW update", "STORE", 6),
            keyword_keys("OW update", "STOREDIST", 6),
        ),
    ),
    row(
        "georadius_ro", -6, "readonly", georadius_ro,
        summary="Finds members around a position.",
        since="3.2.10", group="geo", categories="geo", complexity=_COMPLEXITY,
        syntax=f"key longitude latitude radius {_UNIT} {_COMMON_SYNTAX}",
        keys=(keys("RO access"),),
    ),
    row(
        "georadiusbymember", -5, "write denyoom movablekeys", georadiusbymember,
        summary="Finds members around a member, and stores them if asked to.",
        since="3.2.0", group="geo", categories="geo", complexity=_COMPLEXITY,
        syntax=f"key member radius {_UNIT} {_COMMON_SYNTAX} {_STORE_SYNTAX}",
        keys=(
            keys("RO access"),
            keyword_keys("OW update", "STORE", 5),
            keyword_keys("OW update", "STOREDIST", 5),
        ),
    ),
    row(
        "georadiusbymember_ro", -5, "readonly", georadiusbymember_ro,
        summary="Finds members around a member.",
        since="3.2.10", group="geo", categories="geo", complexity=_COMPLEXITY,
        syntax=f"key member radius {_UNIT} {_COMMON_SYNTAX}",
        keys=(keys("RO access"),),
    ),
)  # fmt: skip
