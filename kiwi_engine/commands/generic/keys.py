"""The commands on keys of every type: existence, removal, names (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import (
    INT32_MAX,
    INT32_MIN,
    NO_SUCH_KEY,
    SAME_OBJECT,
    integer_between,
    syntax_error,
)
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.observation import GENERIC
from kiwi_engine.resp.reply import OK, ONE, ZERO
from kiwi_engine.resp.reply import integer as integer_reply


def delete(context: Context, arguments: list[bytes]) -> bytes:
    names = arguments[1:]
    if len(names) > 1:
        context.db.prefetch(names)
    return integer_reply(sum(map(context.delete, names)))


def exists(context: Context, arguments: list[bytes]) -> bytes:
    names = arguments[1:]
    if len(names) > 1:
        context.db.prefetch(names)
    now_ms = context.now_ms
    return integer_reply(sum(context.db.head(name, now_ms) is not None for name in names))


def touch(context: Context, arguments: list[bytes]) -> bytes:
    db = context.db
    for name in arguments[1:]:
        db.touch(name)
    return exists(context, arguments)


def type_(context: Context, arguments: list[bytes]) -> bytes:
    name = context.db.kind_name(arguments[1], context.now_ms)
    return b"+none\r\n" if name is None else b"+%b\r\n" % name


def rename(context: Context, arguments: list[bytes]) -> bytes:
    _, source, target = arguments
    _move_value(context, source, target, may_replace=True)
    return OK


def renamenx(context: Context, arguments: list[bytes]) -> bytes:
    _, source, target = arguments
    return ONE if _move_value(context, source, target, may_replace=False) else ZERO


def _move_value(context: Context, source: bytes, target: bytes, *, may_replace: bool) -> bool:
    """Give the value at `source` the name `target`; whether that happened."""
    db, now_ms = context.db, context.now_ms
    if source == target:
        if db.head(source, now_ms) is None:
            raise ReplyError(NO_SUCH_KEY)
        return False
    value = db.read_value(source, now_ms)
    if value is None:
        raise ReplyError(NO_SUCH_KEY)
    if not may_replace and db.head(target, now_ms) is not None:
        return False
    db.remove(source, value)
    _make_room(context, db, target)
    db.write_value(target, value)
    context.changed(source, GENERIC, b"rename_from")
    context.changed(target, GENERIC, b"rename_to")
    return True


def move(context: Context, arguments: list[bytes]) -> bytes:
    _, key, index_text = arguments
    source, now_ms = context.db, context.now_ms
    target = _database(context, index_text)
    if source is target:
        raise ReplyError(SAME_OBJECT)
    value = source.read_value(key, now_ms)
    if value is None or target.head(key, now_ms) is not None:
        return ZERO
    source.remove(key, value)
    target.write_value(key, value)
    context.changed(key, GENERIC, b"move_from")
    _changed_in(context, target, key, b"move_to")
    return ONE


def _make_room(context: Context, db: Database, key: bytes) -> None:
    """Remove what is at `key` before another value is written there: for who listens it is new."""
    if context.observer is not None:
        db.delete(key, context.now_ms)


def _changed_in(context: Context, db: Database, key: bytes, event: bytes) -> None:
    """As `Context.changed`, in another database than that of the command."""
    if context.observer is not None:
        context.observer.changed(db.index, key, GENERIC, event)


class CopyOptions(NamedTuple):
    target: Database
    replaces: bool


def copy(context: Context, arguments: list[bytes]) -> bytes:
    source, target = arguments[1], arguments[2]
    options = _parse_copy_options(context, arguments[3:])
    if options.target is context.db and source == target:
        raise ReplyError(SAME_OBJECT)
    value = context.db.read_value(source, context.now_ms)
    if value is None:
        return ZERO
    if not options.replaces and options.target.head(target, context.now_ms) is not None:
        return ZERO
    _make_room(context, options.target, target)
    options.target.write_copy(target, value)
    _changed_in(context, options.target, target, b"copy_to")
    return ONE


def _parse_copy_options(context: Context, words: list[bytes]) -> CopyOptions:
    target, replaces = context.db, False
    at = 0
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word == b"replace":
            replaces = True
        elif word == b"db" and at < len(words):
            target = _database(context, words[at])
            at += 1
        else:
            syntax_error()
    return CopyOptions(target, replaces)


def _database(context: Context, text: bytes) -> Database:
    index = integer_between(text, INT32_MIN, INT32_MAX)
    try:
        return context.keyspace.database(index)
    except IndexError:
        raise ReplyError("ERR DB index is out of range") from None


_PER_KEY: Final = "O(N), N being the number of keys"
_SUM: Final = ("request_policy:multi_shard", "response_policy:agg_sum")

TABLE: Final = (
    row(
        "del", -2, "write", delete,
        summary="Deletes keys.",
        since="1.0.0", group="generic", categories="keyspace", complexity=_PER_KEY,
        syntax="key [key ...]", keys=(keys("RM delete", last=-1),), tips=_SUM,
    ),
    row(
        "unlink", -2, "write fast", delete,
        summary="Deletes keys; their space is reclaimed in the background, as for DEL.",
        since="4.0.0", group="generic", categories="keyspace", complexity=_PER_KEY,
        syntax="key [key ...]", keys=(keys("RM delete", last=-1),), tips=_SUM,
    ),
    row(
        "exists", -2, "readonly fast", exists,
        summary="Counts how many of the given keys exist.",
        since="1.0.0", group="generic", categories="keyspace", complexity=_PER_KEY,
        syntax="key [key ...]", keys=(keys("RO", last=-1),), tips=_SUM,
    ),
    row(
        "touch", -2, "readonly fast", touch,
        summary="Marks keys as used and counts how many of them exist.",
        since="3.2.1", group="generic", categories="keyspace", complexity=_PER_KEY,
        syntax="key [key ...]", keys=(keys("RO", last=-1),), tips=_SUM,
    ),
    row(
        "type", 2, "readonly fast", type_,
        summary="Names the type of the value stored at a key.",
        since="1.0.0", group="generic", categories="keyspace",
        syntax="key", keys=(keys("RO"),),
    ),
    row(
        "rename", 3, "write", rename,
        summary="Gives a key another name, replacing the key that had it.",
        since="1.0.0", group="generic", categories="keyspace",
        syntax="key newkey",
        keys=(keys("RW access delete"), keys("OW update", first=2)),
    ),
    row(
        "renamenx", 3, "write fast", renamenx,
        summary="Gives a key another name if no key has it yet.",
        since="1.0.0", group="generic", categories="keyspace",
        syntax="key newkey",
        keys=(keys("RW access delete"), keys("OW insert", first=2)),
    ),
    row(
        "copy", -3, "write denyoom", copy,
        summary="Copies the value of a key, and when it expires, to another key.",
        since="6.2.0", group="generic", categories="keyspace",
        complexity="O(N), N being the size of the value",
        syntax="source destination [DB destination-db] [REPLACE]",
        keys=(keys("RO access"), keys("OW update", first=2)),
    ),
    row(
        "move", 3, "write fast", move,
        summary="Moves a key to another database.",
        since="1.0.0", group="generic", categories="keyspace",
        syntax="key db", keys=(keys("RW access update"),),
    ),
)  # fmt: skip
