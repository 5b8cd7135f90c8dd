"""OBJECT: how a value is stored (pure).

Redis answers from what it keeps in memory. Kiwi stores all strings alike, so ENCODING and REFCOUNT
are what Redis says of the same value after a restart. The time of the last access is not kept.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import to_integer
from kiwi_engine.commands.containers import container_handler, help_reply
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.table import Command, Handler
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp.reply import bulk, integer

EMBEDDED_BYTES_MAX: Final = 44  # longer strings are "raw"
SHARED_INTEGERS: Final = 10_000  # Redis has one object for each smaller number ...
SHARED_REFERENCES: Final = 2**31 - 1  # ... and reports this for it

_NO_FREQUENCY: Final = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
    "when switching between policies at runtime LRU and LFU data will take some time to adjust."
)


def encoding(context: Context, arguments: list[bytes]) -> bytes:
    payload = context.db.get(arguments[2], context.now_ms)
    if payload is None:
        return context.null
    if to_integer(payload) is not None:
        return bulk(b"int")
    return bulk(b"embstr" if len(payload) <= EMBEDDED_BYTES_MAX else b"raw")


def refcount(context: Context, arguments: list[bytes]) -> bytes:
    payload = context.db.get(arguments[2], context.now_ms)
    if payload is None:
        return context.null
    number = to_integer(payload)
    is_shared = number is not None and 0 <= number < SHARED_INTEGERS
    return integer(SHARED_REFERENCES if is_shared else 1)


def freq(context: Context, arguments: list[bytes]) -> bytes:
    if context.db.head(arguments[2], context.now_ms) is None:
        return context.null
    raise ReplyError(_NO_FREQUENCY)


def idletime(context: Context, arguments: list[bytes]) -> bytes:
    if context.db.head(arguments[2], context.now_ms) is None:
        return context.null
    raise ReplyError("ERR idle time not tracked: Kiwi Engine keeps no access times")


def help_(_context: Context, _arguments: list[bytes]) -> bytes:
    return help_reply(
        "object",
        (
            "ENCODING <key>",
            "    Names the encoding that Redis would use for the value.",
            "FREQ <key>",
            "    Refused: how often keys are used is not tracked.",
            "IDLETIME <key>",
            "    Refused: when keys were last used is not tracked.",
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
    _inspection_row("idletime", idletime, "2.2.3", "Would tell how long a key is unused; refused."),
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
