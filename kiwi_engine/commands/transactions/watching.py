"""WATCH and UNWATCH, and the rows of those that the network runtime answers (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.resp import reply

_GROUP: Final = "transactions"
_FAST: Final = "noscript loading stale fast allow_busy"


def watch(context: Context, words: list[bytes]) -> bytes:
    """Its keys are as they are now, for the connection's next transaction."""
    context.watched.watch(context.source, context.db.index, words[1:], context.now_ms)
    # Somebody listens from now on, also to the commands behind this one.
    context.observer = context.keyspace.observation.observer
    return reply.OK


def unwatch(context: Context, words: list[bytes]) -> bytes:
    context.watched.forget(context.source)
    return reply.OK


TABLE: Final = (
    row(
        "multi",
        1,
        _FAST,
        None,
        summary="Begins a transaction.",
        since="1.2.0",
        group=_GROUP,
        categories="transaction",
        where="network",
    ),
    row(
        "exec",
        1,
        "noscript loading stale skip_slowlog",
        None,
        summary="Runs the commands of a transaction, all of them at once.",
        since="1.2.0",
        group=_GROUP,
        complexity="Depends on commands in the transaction",
        categories="transaction",
        where="network",
    ),
    row(
        "discard",
        1,
        _FAST,
        None,
        summary="Forgets the commands of a transaction.",
        since="2.0.0",
        group=_GROUP,
        complexity="O(N), N being the number of commands queued",
        categories="transaction",
        where="network",
    ),
    row(
        "watch",
        -2,
        _FAST,
        watch,
        summary="Lets the next transaction run only if keys have not changed until then.",
        since="2.2.0",
        group=_GROUP,
        syntax="key [key ...]",
        complexity="O(1) for every key.",
        keys=(keys("RO", 1, -1),),
        categories="transaction",
    ),
    row(
        "unwatch",
        1,
        _FAST,
        unwatch,
        summary="Watches no keys any more.",
        since="2.2.0",
        group=_GROUP,
        complexity="O(1)",
        categories="transaction",
    ),
)
