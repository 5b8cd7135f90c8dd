"""The string commands on a part of a value (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import check_value_bytes, integer
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.observation import STRING
from kiwi_engine.keyspace.strings.strings import open_or_new, open_string
from kiwi_engine.resp.reply import EMPTY_BULK, bulk
from kiwi_engine.resp.reply import integer as integer_reply


def append(context: Context, arguments: list[bytes]) -> bytes:
    _, key, tail = arguments
    string = open_string(context.db, key, context.now_ms)
    if string is None:
        context.db.set(key, tail)
        context.changed(key, STRING, b"append")
        return integer_reply(len(tail))
    offset = string.size
    size = offset + len(tail)
    check_value_bytes(size, context.keyspace.value_bytes_max)
    string = string.resized(size)
    string.write(offset, tail)
    string.save()
    context.changed(key, STRING, b"append")
    return integer_reply(size)


def strlen(context: Context, arguments: list[bytes]) -> bytes:
    string = open_string(context.db, arguments[1], context.now_ms)
    return integer_reply(0 if string is None else string.size)


def setrange(context: Context, arguments: list[bytes]) -> bytes:
    _, key, offset_text, part = arguments
    offset = integer(offset_text)
    if offset < 0:
        raise ReplyError("ERR offset is out of range")
    string = open_or_new(context.db, key, context.now_ms)
    if part:
        end = offset + len(part)
        check_value_bytes(end, context.keyspace.value_bytes_max)
        string = string.resized(end)
        string.write(offset, part)
        string.save()
        context.changed(key, STRING, b"setrange")
    return integer_reply(string.size)


def getrange(context: Context, arguments: list[bytes]) -> bytes:
    first, last = integer(arguments[2]), integer(arguments[3])
    string = open_string(context.db, arguments[1], context.now_ms)
    if string is None or (first < 0 and last < 0 and first > last):
        return EMPTY_BULK
    size = string.size
    first = max(0, first + size if first < 0 else first)
    last = max(0, last + size if last < 0 else last)
    return bulk(string.read(first, last + 1))


TABLE: Final = (
    row(
        "append", 3, "write denyoom fast", append,
        summary="Adds bytes to the end of a string, which it creates if need be.",
        since="2.0.0", group="string", categories="string",
        complexity="O(N), N being the length of what is added, or of the whole string while that "
        "is not stored in pages",
        syntax="key value", keys=(keys("RW insert"),),
    ),
    row(
        "strlen", 2, "readonly fast", strlen,
        summary="Returns the length of a string.",
        since="2.2.0", group="string", categories="string",
        complexity="O(1) for a string in pages, which long ones are that were changed in place; "
        "others are read",
        syntax="key", keys=(keys("RO"),),
    ),
    row(
        "setrange", 4, "write denyoom", setrange,
        summary="Overwrites a part of a string, filling up a gap before it with zero bytes.",
        since="2.2.0", group="string", categories="string",
        complexity="O(N), N being the length of what is written, or of the whole string while that "
        "is not stored in pages",
        syntax="key offset value", keys=(keys("RW update"),),
    ),
    row(
        "getrange", 4, "readonly", getrange,
        summary="Returns a part of a string.",
        since="2.4.0", group="string", categories="string",
        complexity="O(N), N being the length of what is returned, or of the whole string while "
        "that is not stored in pages",
        syntax="key start end", keys=(keys("RO access"),),
    ),
    row(
        "substr", 4, "readonly", getrange,
        summary="Returns a part of a string; the old name of GETRANGE.",
        since="1.0.0", group="string", categories="string",
        complexity="O(N), N being the length of what is returned, or of the whole string while "
        "that is not stored in pages",
        syntax="key start end", keys=(keys("RO access"),),
    ),
)  # fmt: skip
