"""The commands that set and tell when fields of hashes expire (pure).

They are of Redis 7.4, one step beyond the other commands, and so are their replies and errors.
Source: t_hash.c there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kiwi_engine.commands.arguments import integer, integer_between, invalid_expire_time
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.deadlines import (
    MILLISECONDS,
    SECONDS,
    UNIX_MILLISECONDS,
    UNIX_SECONDS,
    Unit,
)
from kiwi_engine.commands.generic.expire import is_met
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.table import Command, Handler
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.hashes.opening import Hash, open_hash
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import HASH
from kiwi_engine.resp.reply import array
from kiwi_engine.resp.reply import integer as integer_reply

# Redis keeps deadlines of fields in fewer bits than those of keys.
FIELD_DEADLINE_MS_MAX: Final = 2**46 - 1

_NO_FIELD: Final = -2
_NO_DEADLINE: Final = -1
_NOT_MET: Final = 0
_DONE: Final = 1
_DELETED: Final = 2
_CONDITIONS: Final = (b"nx", b"xx", b"gt", b"lt")
_BAD_COUNT: Final = "ERR Number of fields must be a positive integer"
_BAD_EXPIRE_COUNT: Final = "ERR Parameter `numFields` should be greater than 0"


def _expire_handler(command: str, unit: Unit) -> Handler:
    """HEXPIRE and its like differ in the unit of the time alone."""

    def handler(context: Context, arguments: list[bytes]) -> bytes:
        found = open_hash(context.db, arguments[1], context.now_ms)
        deadline_ms = _deadline(arguments[2], unit, context.now_ms, command)
        word = arguments[3].lower()
        condition = frozenset((word,) if word in _CONDITIONS else ())
        fields_at = 3 + len(condition)
        fields = _fields(arguments, fields_at, _BAD_EXPIRE_COUNT)

        def change(found: Hash, field: bytes) -> int:
            current_ms = found.deadline(field)
            if current_ms is None:
                return _NO_FIELD
            if not is_met(condition, deadline_ms, current_ms):
                return _NOT_MET
            if deadline_ms <= context.now_ms:
                found.delete(field)
                return _DELETED
            found.set_deadline(field, deadline_ms)
            return _DONE

        outcomes = _change_each(found, fields, change)
        if found is not None:
            if _DELETED in outcomes:
                context.shrunk(arguments[1], HASH, b"hdel", found.stored_count)
            elif _DONE in outcomes:
                context.changed(arguments[1], HASH, b"hexpire")
        return _outcomes_reply(outcomes)

    return handler


def hpersist(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)

    def change(found: Hash, field: bytes) -> int:
        current_ms = found.deadline(field)
        if not current_ms:
            return _NO_FIELD if current_ms is None else _NO_DEADLINE
        found.set_deadline(field, 0)
        return _DONE

    outcomes = _change_each(found, _fields(arguments), change)
    if _DONE in outcomes:
        context.changed(arguments[1], HASH, b"hpersist")
    return _outcomes_reply(outcomes)


def _change_each(
    found: Hash | None, fields: list[bytes], change: Callable[[Hash, bytes], int]
) -> list[int]:
    """Change each of `fields`; what became of it."""
    if found is None:
        return [_NO_FIELD] * len(fields)
    found.prefetch(fields)
    outcomes = [change(found, field) for field in fields]
    if any(outcome in (_DONE, _DELETED) for outcome in outcomes):
        found.save()
    return outcomes


def _outcomes_reply(outcomes: list[int]) -> bytes:
    return array([integer_reply(outcome) for outcome in outcomes])


def _left_handler(unit: Unit) -> Handler:
    """HTTL and its like differ in what the reply counts; seconds are rounded up."""

    def handler(context: Context, arguments: list[bytes]) -> bytes:
        found = open_hash(context.db, arguments[1], context.now_ms)
        fields = _fields(arguments)
        if found is not None:
            found.prefetch(fields)
        since_ms = 0 if unit.is_absolute else context.now_ms
        replies: list[bytes] = []
        for field in fields:
            deadline_ms = None if found is None else found.deadline(field)
            if not deadline_ms:
                replies.append(integer_reply(_NO_FIELD if deadline_ms is None else _NO_DEADLINE))
            else:
                time_ms = deadline_ms - since_ms
                replies.append(integer_reply(-(-time_ms // 1000) if unit.is_seconds else time_ms))
        return array(replies)

    return handler


def _deadline(text: bytes, unit: Unit, now_ms: int, command: str) -> int:
    """The deadline that HEXPIRE and its like ask for; it may have passed."""
    time = integer(text)
    if time < 0:
        raise ReplyError("ERR invalid expire time, must be >= 0")
    milliseconds = time * 1000 if unit.is_seconds else time
    deadline_ms = milliseconds if unit.is_absolute else milliseconds + now_ms
    if deadline_ms > FIELD_DEADLINE_MS_MAX:
        invalid_expire_time(command)
    return deadline_ms


def _fields(arguments: list[bytes], at: int = 2, message: str = _BAD_COUNT) -> list[bytes]:
    """What follows FIELDS, which must be word `at`, and their number."""
    if arguments[at].lower() != b"fields":
        raise ReplyError("ERR Mandatory argument FIELDS is missing or not at the right position")
    count = integer_between(arguments[at + 1], 1, INTEGER_MAX, message)
    fields = arguments[at + 2 :]
    if count != len(fields):
        raise ReplyError("ERR The `numfields` parameter must match the number of arguments")
    return fields


def _expire_row(name: str, unit: Unit, time: str, summary: str) -> Command:
    return row(
        name, -6, "write denyoom fast", _expire_handler(name, unit),
        summary=summary, since="7.4.0", group="hash", categories="hash",
        complexity="O(1) for each field",
        syntax=f"key {time} [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        keys=(keys("RW update"),),
    )  # fmt: skip


def _left_row(name: str, unit: Unit, summary: str) -> Command:
    return row(
        name, -5, "readonly fast", _left_handler(unit),
        summary=summary, since="7.4.0", group="hash", categories="hash",
        complexity="O(1) for each field",
        syntax="key FIELDS numfields field [field ...]", keys=(keys("RO access"),),
        tips=() if unit.is_absolute else ("nondeterministic_output",),
    )  # fmt: skip


TABLE: Final = (
    _expire_row("hexpire", SECONDS, "seconds", "Lets fields of a hash expire after some seconds."),
    _expire_row(
        "hpexpire", MILLISECONDS, "milliseconds",
        "Lets fields of a hash expire after some milliseconds.",
    ),
    _expire_row(
        "hexpireat", UNIX_SECONDS, "unix-time-seconds",
        "Lets fields of a hash expire at a Unix time in seconds.",
    ),
    _expire_row(
        "hpexpireat", UNIX_MILLISECONDS, "unix-time-milliseconds",
        "Lets fields of a hash expire at a Unix time in milliseconds.",
    ),
    _left_row("httl", SECONDS, "Tells in how many seconds fields of a hash expire."),
    _left_row("hpttl", MILLISECONDS, "Tells in how many milliseconds fields of a hash expire."),
    _left_row(
        "hexpiretime", UNIX_SECONDS,
        "Tells the Unix time in seconds at which fields of a hash expire.",
    ),
    _left_row(
        "hpexpiretime", UNIX_MILLISECONDS,
        "Tells the Unix time in milliseconds at which fields of a hash expire.",
    ),
    row(
        "hpersist", -5, "write fast", hpersist,
        summary="Lets fields of a hash live until they are deleted.",
        since="7.4.0", group="hash", categories="hash",
        complexity="O(1) for each field",
        syntax="key FIELDS numfields field [field ...]", keys=(keys("RW update"),),
    ),
)  # fmt: skip
