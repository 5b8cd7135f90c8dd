"""The rows of commands on waiting and holding back, some of them subcommands of CLIENT (pure).

The handlers are `server.network.local.waiting` and `server.network.local.pausing`: the network
runtime answers these commands. Flags, arities and tips are those of Redis 7.2.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from kiwi_engine.commands.rows import row

_row = partial(row, handler=None, where="network")
_client = partial(
    _row,
    flags="admin noscript loading stale",
    group="connection",
    categories="connection",
)
_wait = partial(
    _row,
    flags="blocking",
    group="generic",
    categories="connection",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)

CLIENT: Final = (
    _client(
        "pause",
        -3,
        summary="Lets commands, or only those that may write, wait for some time.",
        since="3.0.0",
        syntax="timeout [WRITE | ALL]",
    ),
    _client(
        "unblock",
        -3,
        summary="Ends the wait of another connection.",
        since="5.0.0",
        syntax="client-id [TIMEOUT | ERROR]",
    ),
    _client(
        "unpause",
        2,
        summary="Lets commands go on that wait because of CLIENT PAUSE.",
        since="6.2.0",
        complexity="O(N), N being the number of connections that wait",
    ),
)

TABLE: Final = (
    _wait(
        "wait",
        3,
        summary="Waits until replicas have the writes of this connection; there are none.",
        since="3.0.0",
        syntax="numreplicas timeout",
    ),
    _wait(
        "waitaof",
        4,
        summary="Waits until the writes of this connection are synced to the log.",
        since="7.2.0",
        syntax="numlocal numreplicas timeout",
    ),
)
