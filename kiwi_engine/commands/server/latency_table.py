"""The rows of SLOWLOG and LATENCY (pure).

The network runtime answers them. Flags, arities and tips are those of Redis 7.2.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from kiwi_engine.commands.rows import row

_row = partial(row, handler=None, group="server", where="network")
_SLOWLOG_FLAGS: Final = "admin loading stale"
_LATENCY_FLAGS: Final = "admin noscript loading stale"
_ON_ALL: Final = ("request_policy:all_nodes", "response_policy:all_succeeded")
_SPECIAL: Final = (
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
)

_SLOWLOG: Final = (
    _row(
        "get",
        -2,
        _SLOWLOG_FLAGS,
        summary="Lists commands that took long, and where their time went.",
        since="2.2.12",
        syntax="[count]",
        complexity="O(N), N being the number of entries",
        tips=("request_policy:all_nodes", "nondeterministic_output"),
    ),
    _row("help", 2, "loading stale", summary="Lists the subcommands.", since="6.2.0"),
    _row(
        "len",
        2,
        _SLOWLOG_FLAGS,
        summary="Counts the entries of the slow log.",
        since="2.2.12",
        tips=("request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"),
    ),
    _row(
        "reset",
        2,
        _SLOWLOG_FLAGS,
        summary="Forgets all entries of the slow log.",
        since="2.2.12",
        complexity="O(N), N being the number of entries",
        tips=_ON_ALL,
    ),
)

_LATENCY: Final = (
    _row(
        "doctor",
        2,
        _LATENCY_FLAGS,
        summary="Says in words what was slow, and what to look at.",
        since="2.8.13",
        tips=_SPECIAL,
    ),
    _row(
        "graph",
        3,
        _LATENCY_FLAGS,
        summary="Draws the spikes of an event.",
        since="2.8.13",
        syntax="event",
        tips=_SPECIAL,
    ),
    _row("help", 2, "loading stale", summary="Lists the subcommands.", since="2.8.13"),
    _row(
        "histogram",
        -2,
        _LATENCY_FLAGS,
        summary="Tells how the times of commands are distributed.",
        since="7.0.0",
        syntax="[command [command ...]]",
        complexity="O(N), N being the number of commands asked for",
        tips=_SPECIAL,
    ),
    _row(
        "history",
        3,
        _LATENCY_FLAGS,
        summary="Lists the spikes of an event with their times.",
        since="2.8.13",
        syntax="event",
        tips=_SPECIAL,
    ),
    _row(
        "latest",
        2,
        _LATENCY_FLAGS,
        summary="Tells the last spike of each event.",
        since="2.8.13",
        tips=_SPECIAL,
    ),
    _row(
        "reset",
        -2,
        _LATENCY_FLAGS,
        summary="Forgets the spikes of events, or of all.",
        since="2.8.13",
        syntax="[event [event ...]]",
        tips=_ON_ALL,
    ),
)

TABLE: Final = (
    _row(
        "slowlog",
        -2,
        "",
        summary="Groups commands about what took long.",
        since="2.2.12",
        complexity="Depends on the subcommand",
        subcommands=_SLOWLOG,
    ),
    _row(
        "latency",
        -2,
        "",
        summary="Groups commands about spikes of latency.",
        since="2.8.13",
        complexity="Depends on the subcommand",
        subcommands=_LATENCY,
    ),
)
