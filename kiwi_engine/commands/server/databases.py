"""The commands on whole databases (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.commands.arguments import INT32_MAX, INT32_MIN, integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import row
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp.reply import OK, integer


def dbsize(context: Context, _arguments: list[bytes]) -> bytes:
    return integer(context.keyspace.key_count(context.db))


def flushdb(context: Context, arguments: list[bytes]) -> bytes:
    return _flush(context, arguments, (context.db.index,))


def flushall(context: Context, arguments: list[bytes]) -> bytes:
    return _flush(context, arguments, range(context.keyspace.database_count))


def _flush(context: Context, arguments: list[bytes], indexes: Iterable[int]) -> bytes:
    """SYNC and ASYNC are the same here: the keys are gone at once, their space is freed later."""
    words = [word.lower() for word in arguments[1:]]
    if len(words) > 1 or not set(words) <= {b"sync", b"async"}:
        syntax_error()
    context.keyspace.flush(indexes)
    if context.observer is not None:
        context.observer.flushed(indexes)
    return OK


def swapdb(context: Context, arguments: list[bytes]) -> bytes:
    first = integer_between(arguments[1], INT32_MIN, INT32_MAX, "ERR invalid first DB index")
    second = integer_between(arguments[2], INT32_MIN, INT32_MAX, "ERR invalid second DB index")
    count = context.keyspace.database_count
    if not (0 <= first < count and 0 <= second < count):
        raise ReplyError("ERR DB index is out of range")
    context.keyspace.swap(first, second)
    if context.observer is not None and first != second:
        context.observer.flushed((first, second))
    return OK


_ALL_SHARDS: Final = ("request_policy:all_shards", "response_policy:all_succeeded")

TABLE: Final = (
    row(
        "dbsize", 1, "readonly fast", dbsize,
        summary="Counts the keys of the selected database.",
        since="1.0.0", group="server", categories="keyspace",
        tips=("request_policy:all_shards", "response_policy:agg_sum"),
    ),
    row(
        "flushdb", -1, "write", flushdb,
        summary="Removes all keys of the selected database.",
        since="1.0.0", group="server", categories="keyspace dangerous",
        complexity="O(1); space is reclaimed in the background",
        syntax="[ASYNC | SYNC]", tips=_ALL_SHARDS,
    ),
    row(
        "flushall", -1, "write", flushall,
        summary="Removes all keys of all databases.",
        since="1.0.0", group="server", categories="keyspace dangerous",
        complexity="O(N), N being the number of databases; space is reclaimed in the background",
        syntax="[ASYNC | SYNC]", tips=_ALL_SHARDS,
    ),
    row(
        "swapdb", 3, "write fast", swapdb,
        summary="Exchanges the contents of two databases.",
        since="4.0.0", group="server", categories="keyspace dangerous",
        syntax="index1 index2",
    ),
)  # fmt: skip
