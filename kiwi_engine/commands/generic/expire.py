"""The commands that set and tell when keys expire (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.deadlines import (
    MILLISECONDS,
    SECONDS,
    UNIX_MILLISECONDS,
    UNIX_SECONDS,
    Unit,
    any_deadline,
)
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.table import Command, Handler
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.observation import GENERIC
from kiwi_engine.resp.reply import ONE, ZERO
from kiwi_engine.resp.reply import integer as integer_reply

_ABSENT: Final = b":-2\r\n"
_NEVER: Final = b":-1\r\n"


def _expire_handler(command: str, unit: Unit) -> Handler:
    """EXPIRE and its like differ in the unit of the time alone."""

    def handler(context: Context, arguments: list[bytes]) -> bytes:
        key = arguments[1]
        conditions = _parse_conditions(arguments[3:])
        deadline_ms = any_deadline(arguments[2], unit, context.now_ms, command)
        current_ms = context.db.deadline(key, context.now_ms)
        if current_ms is None or not is_met(conditions, deadline_ms, current_ms):
            return ZERO
        if deadline_ms <= context.now_ms:
            context.delete(key)
        else:
            context.db.set_deadline(key, deadline_ms, context.now_ms)
            context.changed(key, GENERIC, b"expire")
        return ONE

    return handler


def _parse_conditions(words: list[bytes]) -> frozenset[bytes]:
    given: set[bytes] = set()
    for word in words:
        if word.lower() not in (b"nx", b"xx", b"gt", b"lt"):
            raise ReplyError(f"ERR Unsupported option {word.decode('utf-8', 'surrogateescape')}")
        given.add(word.lower())
    if b"nx" in given and len(given) > 1:
        raise ReplyError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"gt", b"lt"} <= given:
        raise ReplyError("ERR GT and LT options at the same time are not compatible")
    return frozenset(given)


def is_met(conditions: frozenset[bytes], deadline_ms: int, current_ms: int) -> bool:
    """Whether what expires at `current_ms` (0: never) may expire at `deadline_ms` instead."""
    if b"nx" in conditions and current_ms:
        return False
    if b"xx" in conditions and not current_ms:
        return False
    if b"gt" in conditions and (not current_ms or deadline_ms <= current_ms):
        return False
    return not (b"lt" in conditions and current_ms and deadline_ms >= current_ms)


def _left_handler(unit: Unit) -> Handler:
    """TTL and its like differ in what the reply counts."""

    def handler(context: Context, arguments: list[bytes]) -> bytes:
        deadline_ms = context.db.deadline(arguments[1], context.now_ms)
        if deadline_ms is None:
            return _ABSENT
        if not deadline_ms:
            return _NEVER
        time_ms = deadline_ms if unit.is_absolute else max(0, deadline_ms - context.now_ms)
        return integer_reply((time_ms + 500) // 1000 if unit.is_seconds else time_ms)

    return handler


def persist(context: Context, arguments: list[bytes]) -> bytes:
    if not context.db.deadline(arguments[1], context.now_ms):
        return ZERO
    context.db.set_deadline(arguments[1], 0, context.now_ms)
    context.changed(arguments[1], GENERIC, b"persist")
    return ONE


def _expire_row(name: str, unit: Unit, time: str, since: str, summary: str) -> Command:
    return row(
        name, -3, "write fast", _expire_handler(name, unit),
        summary=summary, since=since, group="generic", categories="keyspace",
        syntax=f"key {time} [NX | XX | GT | LT]", keys=(keys("RW update"),),
    )  # fmt: skip


def _left_row(name: str, unit: Unit, since: str, summary: str) -> Command:
    tips = () if unit.is_absolute else ("nondeterministic_output",)
    return row(
        name, 2, "readonly fast", _left_handler(unit),
        summary=summary, since=since, group="generic", categories="keyspace",
        syntax="key", keys=(keys("RO access"),), tips=tips,
    )  # fmt: skip


TABLE: Final = (
    _expire_row(
        "expire", SECONDS, "seconds", "1.0.0",
        "Lets a key expire after some seconds.",
    ),
    _expire_row(
        "pexpire", MILLISECONDS, "milliseconds", "2.6.0",
        "Lets a key expire after some milliseconds.",
    ),
    _expire_row(
        "expireat", UNIX_SECONDS, "unix-time-seconds", "1.2.0",
        "Lets a key expire at a Unix time in seconds.",
    ),
    _expire_row(
        "pexpireat", UNIX_MILLISECONDS, "unix-time-milliseconds", "2.6.0",
        "Lets a key expire at a Unix time in milliseconds.",
    ),
    _left_row("ttl", SECONDS, "1.0.0", "Tells in how many seconds a key expires."),
    _left_row("pttl", MILLISECONDS, "2.6.0", "Tells in how many milliseconds a key expires."),
    _left_row(
        "expiretime", UNIX_SECONDS, "7.0.0",
        "Tells the Unix time in seconds at which a key expires.",
    ),
    _left_row(
        "pexpiretime", UNIX_MILLISECONDS, "7.0.0",
        "Tells the Unix time in milliseconds at which a key expires.",
    ),
    row(
        "persist", 2, "write fast", persist,
        summary="Lets a key live until it is deleted.",
        since="2.2.0", group="generic", categories="keyspace",
        syntax="key", keys=(keys("RW update"),),
    ),
)  # fmt: skip
