"""The rows of pub/sub (pure).

The handlers are `server.network.local.pubsub`: the network runtime answers these commands. Flags,
arities and tips are those of Redis 7.2.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from kiwi_engine.commands.rows import keys, row

_row = partial(row, handler=None, group="pubsub", where="network")
_SUBSCRIBING: Final = "pubsub noscript loading stale"
_PUBLISHING: Final = "pubsub loading stale fast"
_ASKING: Final = "pubsub loading stale"
_SUBSCRIBED: Final = "O(N), N being the number of channels"
_ENDED: Final = "O(N), N being the number of channels that are ended"
_LISTED: Final = "O(N), N being the number of channels that have subscribers"

_PUBSUB: Final = (
    _row(
        "channels",
        -2,
        _ASKING,
        summary="Lists the channels that have subscribers.",
        since="2.8.0",
        syntax="[pattern]",
        complexity=_LISTED,
    ),
    _row("help", 2, "loading stale", summary="Lists the subcommands.", since="6.2.0"),
    _row("numpat", 2, _ASKING, summary="Counts the patterns subscribed to.", since="2.8.0"),
    _row(
        "numsub",
        -2,
        _ASKING,
        summary="Counts the subscribers of channels, without those of patterns.",
        since="2.8.0",
        syntax="[channel ...]",
        complexity=_SUBSCRIBED,
    ),
    _row(
        "shardchannels",
        -2,
        _ASKING,
        summary="Lists the shard channels that have subscribers.",
        since="7.0.0",
        syntax="[pattern]",
        complexity=_LISTED,
    ),
    _row(
        "shardnumsub",
        -2,
        _ASKING,
        summary="Counts the subscribers of shard channels.",
        since="7.0.0",
        syntax="[shardchannel ...]",
        complexity=_SUBSCRIBED,
    ),
)

TABLE: Final = (
    _row(
        "subscribe",
        -2,
        _SUBSCRIBING,
        summary="Begins to receive the messages of channels.",
        since="2.0.0",
        syntax="channel [channel ...]",
        complexity=_SUBSCRIBED,
    ),
    _row(
        "unsubscribe",
        -1,
        _SUBSCRIBING,
        summary="Ends to receive the messages of channels.",
        since="2.0.0",
        syntax="[channel ...]",
        complexity=_ENDED,
    ),
    _row(
        "psubscribe",
        -2,
        _SUBSCRIBING,
        summary="Begins to receive the messages of all channels that match patterns.",
        since="2.0.0",
        syntax="pattern [pattern ...]",
        complexity="O(N), N being the number of patterns",
    ),
    _row(
        "punsubscribe",
        -1,
        _SUBSCRIBING,
        summary="Ends to receive the messages of channels that match patterns.",
        since="2.0.0",
        syntax="[pattern ...]",
        complexity="O(N), N being the number of patterns that are ended",
    ),
    _row(
        "ssubscribe",
        -2,
        _SUBSCRIBING,
        summary="Begins to receive the messages of shard channels.",
        since="7.0.0",
        syntax="shardchannel [shardchannel ...]",
        complexity=_SUBSCRIBED,
        keys=(keys("not_key", 1, -1),),
    ),
    _row(
        "sunsubscribe",
        -1,
        _SUBSCRIBING,
        summary="Ends to receive the messages of shard channels.",
        since="7.0.0",
        syntax="[shardchannel ...]",
        complexity=_ENDED,
        keys=(keys("not_key", 1, -1),),
    ),
    _row(
        "publish",
        3,
        _PUBLISHING,
        summary="Sends a message to a channel.",
        since="2.0.0",
        syntax="channel message",
        complexity="O(N+M), N being the number of receivers and M that of all patterns",
    ),
    _row(
        "spublish",
        3,
        _PUBLISHING,
        summary="Sends a message to a shard channel.",
        since="7.0.0",
        syntax="shardchannel message",
        complexity="O(N), N being the number of receivers",
        keys=(keys("not_key"),),
    ),
    _row(
        "pubsub",
        -2,
        "",
        summary="Groups commands about channels.",
        since="2.8.0",
        complexity="Depends on the subcommand",
        subcommands=_PUBSUB,
    ),
)
