"""DUMP and RESTORE: values as bytes in Redis' own format (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.dump_values import encoded_value
from kiwi_engine.commands.generic.restore_values import store_value
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import PayloadError, ReplyError
from kiwi_engine.keyspace.encoding import DEADLINE_MS_MAX
from kiwi_engine.keyspace.observation import GENERIC
from kiwi_engine.rdb import payload
from kiwi_engine.rdb.values import RdbValue
from kiwi_engine.resp.reply import OK, bulk

FREQUENCY_MAX: Final = 255


class RestoreOptions(NamedTuple):
    replaces: bool
    is_absolute: bool
    idle_seconds: int


def dump(context: Context, arguments: list[bytes]) -> bytes:
    encoded = encoded_value(context.db, arguments[1], context.now_ms)
    return context.null if encoded is None else bulk(payload.seal(encoded))


def restore(context: Context, arguments: list[bytes]) -> bytes:
    _, key, time, dumped = arguments[:4]
    options = _parse_options(arguments[4:])
    db, now_ms = context.db, context.now_ms
    if not options.replaces and db.head(key, now_ms) is not None:
        raise ReplyError("BUSYKEY Target key name already exists.")
    deadline_ms = _deadline(time, now_ms, is_absolute=options.is_absolute)
    value = _value(dumped)
    is_deleted = db.delete(key, now_ms)
    # As in Redis: also where the deadline is beyond all numbers, which it takes for the past.
    if 0 < deadline_ms <= now_ms or deadline_ms > DEADLINE_MS_MAX:
        if is_deleted:
            context.changed(key, GENERIC, b"del")
        return OK
    store_value(db, key, value, now_ms)
    if deadline_ms:
        db.set_deadline(key, deadline_ms, now_ms)
    if options.idle_seconds:
        used_ms = now_ms - options.idle_seconds * 1000
        context.keyspace.accesses.pretend(db.stored_key(key), used_ms)
    context.changed(key, GENERIC, b"restore")
    return OK


def _parse_options(words: list[bytes]) -> RestoreOptions:
    """FREQ is checked and no more: how often keys are used is not counted."""
    replaces = is_absolute = False
    usage, number = b"", 0
    at = 0
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word == b"replace":
            replaces = True
        elif word == b"absttl":
            is_absolute = True
        elif word in (b"idletime", b"freq") and usage in (b"", word) and at < len(words):
            usage, number = word, _usage(word, integer(words[at]))
            at += 1
        else:
            syntax_error()
    return RestoreOptions(replaces, is_absolute, number if usage == b"idletime" else 0)


def _usage(word: bytes, number: int) -> int:
    """The number that IDLETIME or FREQ is given."""
    if word == b"idletime" and number < 0:
        raise ReplyError("ERR Invalid IDLETIME value, must be >= 0")
    if word == b"freq" and not 0 <= number <= FREQUENCY_MAX:
        raise ReplyError("ERR Invalid FREQ value, must be >= 0 and <= 255")
    return number


def _deadline(text: bytes, now_ms: int, *, is_absolute: bool) -> int:
    """When the key expires, 0 if never; it may be too large for any deadline."""
    time_ms = integer(text)
    if time_ms < 0:
        raise ReplyError("ERR Invalid TTL value, must be >= 0")
    return time_ms if is_absolute or not time_ms else now_ms + time_ms


def _value(dumped: bytes) -> RdbValue:
    if not payload.is_sound(dumped):
        raise ReplyError("ERR DUMP payload version or checksum are wrong")
    try:
        return payload.unseal(dumped)
    except PayloadError:
        raise ReplyError("ERR Bad data format") from None


_RESTORE_SYNTAX: Final = (
    "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]"
)
_SIZE: Final = "O(N), N being the size of the value"

TABLE: Final = (
    row(
        "dump", 2, "readonly", dump,
        summary="Returns the value of a key in the format of RDB files, with a checksum.",
        since="2.6.0", group="generic", categories="keyspace", complexity=_SIZE,
        syntax="key", keys=(keys("RO access"),), tips=("nondeterministic_output",),
    ),
    row(
        "restore", -4, "write denyoom", restore,
        summary="Makes a key of what DUMP has returned.",
        since="2.6.0", group="generic", categories="keyspace dangerous", complexity=_SIZE,
        syntax=_RESTORE_SYNTAX, keys=(keys("OW update"),),
    ),
    row(
        "restore-asking", -4, "write denyoom asking", restore,
        summary="Does what RESTORE does; with it, the nodes of a cluster move keys.",
        since="3.0.0", group="server", categories="keyspace dangerous", complexity=_SIZE,
        syntax=_RESTORE_SYNTAX, keys=(keys("OW update"),),
    ),
)  # fmt: skip
