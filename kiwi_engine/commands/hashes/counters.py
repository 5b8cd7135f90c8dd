"""The hash commands that count (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import integer
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.strings.long_double import LongDouble, parse_long_double
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.hashes.opening import open_or_new
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX, INTEGER_MIN
from kiwi_engine.keyspace.observation import HASH
from kiwi_engine.resp.reply import bulk

_KEY: Final = (keys("RW access update"),)


def hincrby(context: Context, arguments: list[bytes]) -> bytes:
    _, key, field, amount_text = arguments
    amount = integer(amount_text)
    found = open_or_new(context.db, key, context.now_ms)
    value = found.get(field)
    total = amount if value is None else amount + integer(value, "ERR hash value is not an integer")
    if not INTEGER_MIN <= total <= INTEGER_MAX:
        raise ReplyError("ERR increment or decrement would overflow")
    text = b"%d" % total
    found.update(field, text)
    found.save()
    context.changed(key, HASH, b"hincrby")
    return b":%b\r\n" % text


def hincrbyfloat(context: Context, arguments: list[bytes]) -> bytes:
    _, key, field, amount_text = arguments
    amount = _long_double(amount_text, "ERR value is not a valid float")
    if not amount.is_finite:
        raise ReplyError("ERR value is NaN or Infinity")
    found = open_or_new(context.db, key, context.now_ms)
    value = found.get(field)
    start = _long_double(b"0" if value is None else value, "ERR hash value is not a float")
    total = start.plus(amount)
    if not total.is_finite:
        raise ReplyError("ERR increment would produce NaN or Infinity")
    text = total.human_text()
    found.update(field, text)
    found.save()
    context.changed(key, HASH, b"hincrbyfloat")
    return bulk(text)


def _long_double(text: bytes, message: str) -> LongDouble:
    number = parse_long_double(text)
    if number is None:
        raise ReplyError(message)
    return number


TABLE: Final = (
    row(
        "hincrby", 4, "write denyoom fast", hincrby,
        summary="Adds a number to the integer in a field of a hash.",
        since="2.0.0", group="hash", categories="hash",
        syntax="key field increment", keys=_KEY,
    ),
    row(
        "hincrbyfloat", 4, "write denyoom fast", hincrbyfloat,
        summary="Adds a number to the floating-point number in a field of a hash.",
        since="2.6.0", group="hash", categories="hash",
        syntax="key field increment", keys=_KEY,
    ),
)  # fmt: skip
