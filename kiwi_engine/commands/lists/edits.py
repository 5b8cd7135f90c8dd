"""The list commands that change a list in its middle: LSET, LINSERT, LREM, LTRIM (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import (
    NO_SUCH_KEY,
    integer,
    integer_between,
    syntax_error,
)
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.lists.ends import bounds, place
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.lists.opening import open_list
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import LIST
from kiwi_engine.resp import reply
from kiwi_engine.resp.reply import OK, ZERO

_PLACES: Final = {b"before": 0, b"after": 1}


def lset(context: Context, arguments: list[bytes]) -> bytes:
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is None:
        raise ReplyError(NO_SUCH_KEY)
    index = place(found, arguments[2])
    if index is None:
        raise ReplyError("ERR index out of range")
    found.set(index, arguments[3])
    found.save()
    context.changed(arguments[1], LIST, b"lset")
    return OK


def linsert(context: Context, arguments: list[bytes]) -> bytes:
    _, key, where, pivot, element = arguments
    behind = _PLACES.get(where.lower())
    if behind is None:
        syntax_error()
    found = open_list(context.db, key, context.now_ms)
    if found is None:
        return ZERO
    index = next(found.find(pivot, found.count), None)
    if index is None:
        return reply.integer(-1)
    found.insert(index + behind, element)
    found.save()
    context.changed(key, LIST, b"linsert")
    return reply.integer(found.count)


def lrem(context: Context, arguments: list[bytes]) -> bytes:
    limit = integer_between(arguments[2], -INTEGER_MAX, INTEGER_MAX)
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is None:
        return ZERO
    removed = found.remove(arguments[3], abs(limit) or found.count, reverse=limit < 0)
    if removed:
        found.save()
        context.shrunk(arguments[1], LIST, b"lrem", found.count)
    return reply.integer(removed)


def ltrim(context: Context, arguments: list[bytes]) -> bytes:
    first, last = integer(arguments[2]), integer(arguments[3])
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is not None:
        found.trim(*bounds(first, last, found.count))
        found.save()
        context.shrunk(arguments[1], LIST, b"ltrim", found.count)
    return OK


_MOVED: Final = "and M the number of elements on the nearer side of it, which move"

TABLE: Final = (
    row(
        "lset", 4, "write denyoom", lset,
        summary="Replaces the element at an index of a list.",
        since="1.0.0", group="list", categories="list",
        syntax="key index element", keys=(keys("RW update"),),
    ),
    row(
        "linsert", 5, "write denyoom", linsert,
        summary="Adds an element before or after another one of a list.",
        since="2.2.0", group="list", categories="list",
        complexity=f"O(N+M) where N is the index of the pivot {_MOVED}",
        syntax="key <BEFORE | AFTER> pivot element", keys=(keys("RW insert"),),
    ),
    row(
        "lrem", 4, "write", lrem,
        summary="Removes equal elements from a list.",
        since="1.0.0", group="list", categories="list",
        complexity="O(N) where N is the number of elements in the list",
        syntax="key count element", keys=(keys("RW delete"),),
    ),
    row(
        "ltrim", 4, "write", ltrim,
        summary="Removes all elements of a list outside of a range of indexes.",
        since="1.0.0", group="list", categories="list",
        complexity="O(N) where N is the number of elements removed",
        syntax="key start stop", keys=(keys("RW delete"),),
    ),
)  # fmt: skip
