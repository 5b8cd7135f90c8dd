"""OBJECT: how a value is stored, and when it was used (pure).

Redis answers from what it keeps in memory. Kiwi stores all strings alike, so ENCODING and REFCOUNT
are what Redis says of the same string after a restart. The encoding of a collection is kept with
it, by Redis' thresholds. Access times are known for the keys used lately (`keyspace.access_times`).
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.containers import container_handler, help_reply
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.table import Command, Handler
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.encoding import DEADLINE_END, STRING_KIND, is_spread, kind_of
from kiwi_engine.keyspace.numerals.integers import to_integer
from kiwi_engine.keyspace.spread.roots import ENCODING_NAMES, encoding_of
from kiwi_engine.resp.reply import ONE, bulk, integer

EMBEDDED_BYTES_MAX: Final = 44  # longer strings are "raw"
SHARED_INTEGERS: Final = 10_000  # Redis has one object for each smaller number ...
SHARED_REFERENCES: Final = 2**31 - 1  # ... and reports this for it

_NO_FREQUENCY: Final = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
    "when switching between policies at runtime LRU and LFU data will take some time to adjust."
)


def encoding(context: Context, arguments: list[bytes]) -> bytes:
    key = arguments[2]
    head = context.db.head(key, context.now_ms)
    if head is None:
        return context.null
    if kind_of(head) != STRING_KIND or is_spread(head):
        return bulk(ENCODING_NAMES[encoding_of(head)])
    payload = _whole_string(context, key)
    if to_integer(payload) is not None:
        return bulk(b"int")
    return bulk(b"embstr" if len(payload) <= EMBEDDED_BYTES_MAX else b"raw")


def refcount(context: Context, arguments: list[bytes]) -> bytes:
    key = arguments[2]
    head = context.db.head(key, context.now_ms)
    if head is None:
        return context.null
    if kind_of(head) != STRING_KIND or is_spread(head):
        return ONE
    number = to_integer(_whole_string(context, key))
    is_shared = number is not None and 0 <= number < SHARED_INTEGERS
    return integer(SHARED_REFERENCES if is_shared else 1)


def _whole_string(context: Context, key: bytes) -> bytes:
    """The string in the one entry of `key`, which is there; asking is no use of the key."""
    value = context.db.store.get(context.db.stored_key(key)) or b""
    return value[DEADLINE_END:] if value[0] & 1 else value[1:]


def freq(context: Context, arguments: list[bytes]) -> bytes:
    if context.db.head(arguments[2], context.now_ms) is None:
        return context.null
    raise ReplyError(_NO_FREQUENCY)


def idletime(context: Context, arguments: list[bytes]) -> bytes:
    key = arguments[2]
    if context.db.head(key, context.now_ms) is None:
        return context.null
    used_ms = context.keyspace.accesses.last_ms(context.db.stored_key(key))
    return integer(max(0, context.now_ms - used_ms) // 1000)


def help_(_context: Context, _arguments: list[bytes]) -> bytes:
    return help_reply(
        "object",
        (
            "ENCODING <key>",
            "    Names the encoding that Redis would use for the value.",
            "FREQ <key>",
            "    Refused: how often keys are used is not tracked.",
            "IDLETIME <key>",
            "    Tells for how many seconds the key was not used, or for how long that is known.",
            "REFCOUNT <key>",
            "    Tells how many references Redis would hold to the value.",
        ),
    )


def _inspection_row(name: str, handler: Handler, since: str, summary: str) -> Command:
    return row(
        name, 3, "readonly", handler,
        summary=summary, since=since, group="generic", categories="keyspace",
        syntax="key", keys=(keys("RO", first=2),), tips=("nondeterministic_output",),
    )  # fmt: skip


_SUBCOMMANDS: Final = (
    _inspection_row("encoding", encoding, "2.2.3", "Names the encoding of a value."),
    _inspection_row("freq", freq, "4.0.0", "Would tell how often a key is used; refused."),
    _inspection_row("idletime", idletime, "2.2.3", "Tells how many seconds a key was idle."),
    _inspection_row("refcount", refcount, "2.2.3", "Tells how many references a value has."),
    row(
        "help", 2, "loading stale", help_,
        summary="Explains the subcommands.",
        since="6.2.0", group="generic", categories="keyspace",
    ),
)  # fmt: skip

TABLE: Final = (
    row(
        "object", -2, "", container_handler("object", _SUBCOMMANDS),
        summary="Tells how values are stored.",
        since="2.2.3", group="generic", complexity="that of the subcommand",
        subcommands=_SUBCOMMANDS,
    ),
)  # fmt: skip
