"""The rows of client-side caching, which are subcommands of CLIENT, and of MONITOR (pure).

The handlers are `server.network.local.tracking` and `server.network.local.monitor`: the network
runtime answers these commands. Flags and arities are those of Redis 7.2.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from kiwi_engine.commands.rows import row

_row = partial(row, handler=None, where="network")
_client = partial(_row, flags="noscript loading stale", group="connection", categories="connection")

CLIENT: Final = (
    _client(
        "caching",
        3,
        summary="Tells whether what the next command reads is to be tracked.",
        since="6.0.0",
        syntax="<YES | NO>",
    ),
    _client("getredir", 2, summary="Tells who is told of changes instead.", since="6.0.0"),
    _client(
        "tracking",
        -3,
        summary="Tells this connection of changes of keys that it may have cached.",
        since="6.0.0",
        syntax="<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] "
        "[OPTIN] [OPTOUT] [NOLOOP]",
        complexity="O(1), and O(N) for the N prefixes given",
    ),
    _client("trackinginfo", 2, summary="Tells how this connection tracks keys.", since="6.2.0"),
)

TABLE: Final = (
    _row(
        "monitor",
        1,
        "admin noscript loading stale",
        summary="Shows every command that is executed.",
        since="1.0.0",
        group="server",
    ),
)
