"""The string commands that count (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import NOT_AN_INTEGER, integer
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.strings.long_double import LongDouble, parse_long_double
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX, INTEGER_MIN, to_integer
from kiwi_engine.keyspace.observation import STRING
from kiwi_engine.resp.reply import bulk

_OVERFLOW: Final = "ERR increment or decrement would overflow"
_NOT_A_FLOAT: Final = "ERR value is not a valid float"
_NOT_FINITE: Final = "ERR increment would produce NaN or Infinity"


def incr(context: Context, arguments: list[bytes]) -> bytes:
    return _add(context, arguments[1], 1)


def decr(context: Context, arguments: list[bytes]) -> bytes:
    return _add(context, arguments[1], -1)


def incrby(context: Context, arguments: list[bytes]) -> bytes:
    return _add(context, arguments[1], integer(arguments[2]))


def decrby(context: Context, arguments: list[bytes]) -> bytes:
    amount = integer(arguments[2])
    if amount == INTEGER_MIN:
        raise ReplyError("ERR decrement would overflow")
    return _add(context, arguments[1], -amount)


def _add(context: Context, key: bytes, amount: int) -> bytes:
    db = context.db
    payload, deadline_ms = db.get_with_deadline(key, context.now_ms)
    if payload is None:
        total = amount
    elif (number := to_integer(payload)) is not None:
        total = number + amount
    else:
        raise ReplyError(NOT_AN_INTEGER)
    if not INTEGER_MIN <= total <= INTEGER_MAX:
        raise ReplyError(_OVERFLOW)
    text = b"%d" % total
    db.update(key, text, deadline_ms)
    if context.observer is not None:
        context.changed(key, STRING, b"incrby")
    return b":%b\r\n" % text


def incrbyfloat(context: Context, arguments: list[bytes]) -> bytes:
    _, key, amount_text = arguments
    payload, deadline_ms = context.db.get_with_deadline(key, context.now_ms)
    value = _long_double(b"0" if payload is None else payload)
    total = value.plus(_long_double(amount_text))
    if not total.is_finite:
        raise ReplyError(_NOT_FINITE)
    text = total.human_text()
    context.db.update(key, text, deadline_ms)
    context.changed(key, STRING, b"incrbyfloat")
    return bulk(text)


def _long_double(text: bytes) -> LongDouble:
    number = parse_long_double(text)
    if number is None:
        raise ReplyError(_NOT_A_FLOAT)
    return number


TABLE: Final = (
    row(
        "incr", 2, "write denyoom fast", incr,
        summary="Adds one to the integer stored at a key.",
        since="1.0.0", group="string", categories="string",
        syntax="key", keys=(keys("RW access update"),),
    ),
    row(
        "decr", 2, "write denyoom fast", decr,
        summary="Takes one from the integer stored at a key.",
        since="1.0.0", group="string", categories="string",
        syntax="key", keys=(keys("RW access update"),),
    ),
    row(
        "incrby", 3, "write denyoom fast", incrby,
        summary="Adds a number to the integer stored at a key.",
        since="1.0.0", group="string", categories="string",
        syntax="key increment", keys=(keys("RW access update"),),
    ),
    row(
        "decrby", 3, "write denyoom fast", decrby,
        summary="Takes a number from the integer stored at a key.",
        since="1.0.0", group="string", categories="string",
        syntax="key decrement", keys=(keys("RW access update"),),
    ),
    row(
        "incrbyfloat", 3, "write denyoom fast", incrbyfloat,
        summary="Adds a number to the floating-point number stored at a key.",
        since="2.6.0", group="string", categories="string",
        syntax="key increment", keys=(keys("RW access update"),),
    ),
)  # fmt: skip
