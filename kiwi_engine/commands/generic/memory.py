"""MEMORY USAGE: how much room a key takes (pure), and the rows of MEMORY.

In Redis that is memory. Here values lie on the disk, and the answer is what they take there, before
compression. What tells of the processes' memory is answered by the network runtime.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.containers import container_handler
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.keyspace.spread.stored_size import stored_bytes
from kiwi_engine.resp.reply import integer as integer_reply

SAMPLES_DEFAULT: Final = 5


def usage(context: Context, arguments: list[bytes]) -> bytes:
    samples = _parse_samples(arguments[3:])
    size = stored_bytes(context.db, arguments[2], samples, context.now_ms)
    return context.null if size is None else integer_reply(size)


def _parse_samples(words: list[bytes]) -> int:
    """How many entries to look at, 0 being all; the last SAMPLES counts."""
    samples = SAMPLES_DEFAULT
    if len(words) % 2:
        syntax_error()
    for option, value in zip(words[::2], words[1::2], strict=True):
        if option.lower() != b"samples":
            syntax_error()
        samples = integer(value)
        if samples < 0:
            syntax_error()
    return samples


_EVERYWHERE: Final = "request_policy:all_shards"
_SPECIAL: Final = ("nondeterministic_output", _EVERYWHERE, "response_policy:special")

_SUBCOMMANDS: Final = (
    row(
        "doctor", 2, "", None,
        summary="Says in words whether memory is as it should be.",
        since="4.0.0", group="server", tips=_SPECIAL, where="network",
    ),
    row(
        "malloc-stats", 2, "", None,
        summary="Tells what the allocator knows.",
        since="4.0.0", group="server", tips=_SPECIAL, where="network",
        complexity="Depends on how much memory is allocated",
    ),
    row(
        "purge", 2, "", None,
        summary="Gives memory that is free back to the system.",
        since="4.0.0", group="server", where="network",
        tips=(_EVERYWHERE, "response_policy:all_succeeded"),
        complexity="Depends on how much memory is allocated",
    ),
    row(
        "stats", 2, "", None,
        summary="Tells who uses how much memory.",
        since="4.0.0", group="server", tips=_SPECIAL, where="network",
    ),
    row(
        "usage", -3, "readonly", usage,
        summary="Estimates how many bytes a key and its value take.",
        since="4.0.0", group="server",
        complexity="O(N), N being the number of samples",
        syntax="key [SAMPLES count]", keys=(keys("RO", first=2),),
    ),
    row(
        "help", 2, "loading stale", None,
        summary="Lists the subcommands.",
        since="4.0.0", group="server", where="network",
    ),
)  # fmt: skip

TABLE: Final = (
    row(
        "memory", -2, "", container_handler("memory", _SUBCOMMANDS),
        summary="Tells how much room is taken.",
        since="4.0.0", group="server", complexity="that of the subcommand",
        subcommands=_SUBCOMMANDS,
    ),
)  # fmt: skip
