"""The string commands on several keys at once (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import wrong_arity
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.strings.whole import set_observed
from kiwi_engine.errors import WrongTypeError
from kiwi_engine.resp.reply import OK, ONE, ZERO, array, bulk


def mget(context: Context, arguments: list[bytes]) -> bytes:
    names = arguments[1:]
    context.db.prefetch(names)
    return array([_string_or_null(context, name) for name in names])


def _string_or_null(context: Context, key: bytes) -> bytes:
    """A key of another type counts as absent, in MGET alone."""
    try:
        payload = context.db.get(key, context.now_ms)
    except WrongTypeError:
        return context.null
    return context.null if payload is None else bulk(payload)


def mset(context: Context, arguments: list[bytes]) -> bytes:
    _write_pairs(context, arguments, "mset")
    return OK


def msetnx(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) % 2 == 0:
        raise wrong_arity("msetnx")
    names = arguments[1::2]
    context.db.prefetch(names)
    if any(context.db.head(name, context.now_ms) is not None for name in names):
        return ZERO
    _write_pairs(context, arguments, "msetnx")
    return ONE


def _write_pairs(context: Context, arguments: list[bytes], command: str) -> None:
    if len(arguments) % 2 == 0:
        raise wrong_arity(command)
    for at in range(1, len(arguments), 2):
        set_observed(context, arguments[at], arguments[at + 1])


TABLE: Final = (
    row(
        "mget", -2, "readonly fast", mget,
        summary="Returns the strings stored at several keys.",
        since="1.0.0", group="string", categories="string",
        complexity="O(N), N being the number of keys",
        syntax="key [key ...]", keys=(keys("RO access", last=-1),),
        tips=("request_policy:multi_shard",),
    ),
    row(
        "mset", -3, "write denyoom", mset,
        summary="Stores several strings, all of them or none.",
        since="1.0.1", group="string", categories="string",
        complexity="O(N), N being the number of keys",
        syntax="key value [key value ...]", keys=(keys("OW update", last=-1, step=2),),
        tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
    ),
    row(
        "msetnx", -3, "write denyoom", msetnx,
        summary="Stores several strings if none of their keys exists yet.",
        since="1.0.1", group="string", categories="string",
        complexity="O(N), N being the number of keys",
        syntax="key value [key value ...]", keys=(keys("OW insert", last=-1, step=2),),
    ),
)  # fmt: skip
