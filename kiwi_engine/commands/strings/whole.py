"""The string commands on one whole value: SET, GET and their relatives (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.deadlines import (
    MILLISECONDS,
    SECONDS,
    UNIX_MILLISECONDS,
    UNIX_SECONDS,
    Unit,
    positive_deadline,
)
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.keyspace.encoding import deadline_of
from kiwi_engine.keyspace.observation import GENERIC, STRING
from kiwi_engine.resp.reply import OK, ONE, ZERO, bulk

_UNITS: Final[dict[bytes, Unit]] = {
    b"ex": SECONDS,
    b"px": MILLISECONDS,
    b"exat": UNIX_SECONDS,
    b"pxat": UNIX_MILLISECONDS,
}


class SetOptions(NamedTuple):
    """What follows key and value in SET; `unit` and `time` belong together."""

    condition: bytes = b""
    returns_old: bool = False
    keeps_deadline: bool = False
    unit: Unit | None = None
    time: bytes = b""


def set_(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) == 3:
        if context.observer is None:
            context.db.set(arguments[1], arguments[2])
        else:
            set_observed(context, arguments[1], arguments[2])
        return OK
    return _set_with_options(context, arguments)


def set_observed(context: Context, key: bytes, payload: bytes) -> None:
    """Make `key` a string, and tell so."""
    context.overwrites(key)
    context.db.set(key, payload)
    context.changed(key, STRING, b"set")


def _set_with_options(context: Context, arguments: list[bytes]) -> bytes:
    key, payload = arguments[1], arguments[2]
    options = parse_set_options(arguments[3:])
    db, now_ms = context.db, context.now_ms
    deadline_ms = 0
    if options.unit is not None:
        deadline_ms = positive_deadline(options.time, options.unit, now_ms, "set")
    reply = OK
    if options.returns_old:
        old = db.get(key, now_ms)
        reply = context.null if old is None else bulk(old)
    if options.condition or options.keeps_deadline:
        head = db.head(key, now_ms)
        if options.condition and (head is None) == (options.condition == b"xx"):
            return reply if options.returns_old else context.null
        if options.keeps_deadline and head is not None:
            deadline_ms = deadline_of(head)
    context.overwrites(key)
    if deadline_ms:
        db.set_expiring(key, payload, deadline_ms)
    else:
        db.set(key, payload)
    context.changed(key, STRING, b"set")
    if options.unit is not None:
        context.changed(key, GENERIC, b"expire")
    return reply


def parse_set_options(words: list[bytes]) -> SetOptions:
    """The options of SET; an option may be repeated, the last time given counts."""
    condition, returns_old, keeps_deadline = b"", False, False
    unit: Unit | None = None
    time = b""
    at = 0
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word in (b"nx", b"xx") and condition in (b"", word):
            condition = word
        elif word == b"get":
            returns_old = True
        elif word == b"keepttl" and unit is None:
            keeps_deadline = True
        elif word in _UNITS and unit in (None, _UNITS[word]) and not keeps_deadline:
            unit = _UNITS[word]
            time = words[at] if at < len(words) else syntax_error()
            at += 1
        else:
            syntax_error()
    return SetOptions(condition, returns_old, keeps_deadline, unit, time)


def get(context: Context, arguments: list[bytes]) -> bytes:
    payload = context.db.get(arguments[1], context.now_ms)
    if payload is None:
        return context.null
    return b"$%d\r\n%b\r\n" % (len(payload), payload)


def setnx(context: Context, arguments: list[bytes]) -> bytes:
    _, key, payload = arguments
    if context.db.head(key, context.now_ms) is not None:
        return ZERO
    set_observed(context, key, payload)
    return ONE


def setex(context: Context, arguments: list[bytes]) -> bytes:
    return _set_for(context, arguments, SECONDS, "setex")


def psetex(context: Context, arguments: list[bytes]) -> bytes:
    return _set_for(context, arguments, MILLISECONDS, "psetex")


def _set_for(context: Context, arguments: list[bytes], unit: Unit, command: str) -> bytes:
    _, key, time, payload = arguments
    deadline_ms = positive_deadline(time, unit, context.now_ms, command)
    context.overwrites(key)
    context.db.set_expiring(key, payload, deadline_ms)
    context.changed(key, STRING, b"set")
    context.changed(key, GENERIC, b"expire")
    return OK


def getset(context: Context, arguments: list[bytes]) -> bytes:
    _, key, payload = arguments
    old = context.db.get(key, context.now_ms)
    set_observed(context, key, payload)
    return context.null if old is None else bulk(old)


def getdel(context: Context, arguments: list[bytes]) -> bytes:
    payload = context.db.get(arguments[1], context.now_ms)
    if payload is None:
        return context.null
    context.delete(arguments[1])
    return bulk(payload)


def getex(context: Context, arguments: list[bytes]) -> bytes:
    key = arguments[1]
    unit, time, persists = _parse_getex_options(arguments[2:])
    db, now_ms = context.db, context.now_ms
    payload, previous_ms = db.get_with_deadline(key, now_ms)
    if payload is None:
        return context.null
    if unit is not None:
        deadline_ms = positive_deadline(time, unit, now_ms, "getex")
        if unit.is_absolute and deadline_ms <= now_ms:
            context.delete(key)
        else:
            db.set_deadline(key, deadline_ms, now_ms)
            context.changed(key, GENERIC, b"expire")
    elif persists and previous_ms:
        db.set_deadline(key, 0, now_ms)
        context.changed(key, GENERIC, b"persist")
    return bulk(payload)


def _parse_getex_options(words: list[bytes]) -> tuple[Unit | None, bytes, bool]:
    unit: Unit | None = None
    time = b""
    persists = False
    at = 0
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word == b"persist" and unit is None:
            persists = True
        elif word in _UNITS and unit in (None, _UNITS[word]) and not persists:
            unit = _UNITS[word]
            time = words[at] if at < len(words) else syntax_error()
            at += 1
        else:
            syntax_error()
    return unit, time, persists


_TIMES: Final = (
    "EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds"
)

TABLE: Final = (
    row(
        "get", 2, "readonly fast", get,
        summary="Returns the string stored at a key.",
        since="1.0.0", group="string", categories="string",
        syntax="key", keys=(keys("RO access"),),
    ),
    row(
        "set", -3, "write denyoom", set_,
        summary="Stores a string at a key, whatever the key held before.",
        since="1.0.0", group="string", categories="string",
        syntax=f"key value [NX | XX] [GET] [{_TIMES} | KEEPTTL]",
        keys=(keys("RW access update variable_flags"),),
    ),
    row(
        "setnx", 3, "write denyoom fast", setnx,
        summary="Stores a string at a key that does not exist yet.",
        since="1.0.0", group="string", categories="string",
        syntax="key value", keys=(keys("OW insert"),),
    ),
    row(
        "setex", 4, "write denyoom", setex,
        summary="Stores a string that expires after some seconds.",
        since="2.0.0", group="string", categories="string",
        syntax="key seconds value", keys=(keys("OW update"),),
    ),
    row(
        "psetex", 4, "write denyoom", psetex,
        summary="Stores a string that expires after some milliseconds.",
        since="2.6.0", group="string", categories="string",
        syntax="key milliseconds value", keys=(keys("OW update"),),
    ),
    row(
        "getset", 3, "write denyoom fast", getset,
        summary="Stores a string at a key and returns the one that it replaces.",
        since="1.0.0", group="string", categories="string",
        syntax="key value", keys=(keys("RW access update"),),
    ),
    row(
        "getdel", 2, "write fast", getdel,
        summary="Returns the string stored at a key and deletes the key.",
        since="6.2.0", group="string", categories="string",
        syntax="key", keys=(keys("RW access delete"),),
    ),
    row(
        "getex", -2, "write fast", getex,
        summary="Returns the string stored at a key and changes when the key expires.",
        since="6.2.0", group="string", categories="string",
        syntax=f"key [{_TIMES} | PERSIST]", keys=(keys("RW access update"),),
    ),
)  # fmt: skip
