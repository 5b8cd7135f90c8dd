"""What the storage runtime tells the network runtime unasked (pure codec).

An event travels as a reply to run 0 among the replies of the group that it happened in: so it
leaves only when what it tells is durable, and in the order in which things were executed.
"""

from __future__ import annotations

from typing import Final

import msgspec

# The number of no run.
EVENT_RUN: Final = 0


class Published(msgspec.Struct, array_like=True, tag=1, gc=False):
    """A message for the subscribers of a channel: from a script, or a keyspace notification."""

    channel: bytes
    message: bytes
    is_sharded: bool = False


class Invalidated(msgspec.Struct, array_like=True, tag=2, gc=False):
    """A key has changed that these connections may have cached; `by` is the connection that did it.

    `sources` were remembered to have read it. Who tracks by prefix (BCAST) is not among them.
    """

    key: bytes
    sources: list[int]
    by: int


class Flushed(msgspec.Struct, array_like=True, tag=3, gc=False):
    """Everything that connections cached may have changed."""

    by: int


class Monitored(msgspec.Struct, array_like=True, tag=4, gc=False):
    """A script of the connection `source` called a command."""

    wall_us: int
    db: int
    words: list[bytes]
    source: int


class WatchBroken(msgspec.Struct, array_like=True, tag=5, gc=False):
    """Connections watch a key that has changed."""

    sources: list[int]


class Denied(msgspec.Struct, array_like=True, tag=6, gc=False):
    """A script, or else a transaction, called what its `user` may not.

    `reason` is `command`, `key` or `channel`, `subject` tells which one.
    """

    source: int
    user: str
    reason: str
    subject: bytes
    in_script: bool = True


class Waits(msgspec.Struct, array_like=True, tag=7, gc=False):
    """A run has taken nothing, and waits for other clients.

    `words` are what is to be sent to another storage runtime should this one die.
    """

    run: int
    words: list[bytes]


class SlowCommand(msgspec.Struct, array_like=True, tag=8, gc=False):
    """A command took long. Times: `started_s` of the wall, `ended_ns` of the monotonic clock.

    `queued_us` passed between its arrival and its execution, which took `execute_us`.
    """

    source: int
    name: str
    is_fast: bool
    words: list[bytes]
    started_s: int
    queued_us: int
    execute_us: int
    ended_ns: int


class Spike(msgspec.Struct, array_like=True, tag=9, gc=False):
    """Something other than a command took long; `event` is its name for LATENCY."""

    event: str
    milliseconds: int


class ScriptIsSlow(msgspec.Struct, array_like=True, tag=10, gc=False):
    """A script has begun to be slow, or a slow one is over; sent at once, not with its group."""

    is_slow: bool


class StorageBegan(msgspec.Struct, array_like=True, tag=11, gc=False):
    """The first that one of several network processes hears; `identity` is of one process only."""

    identity: int


Event = (
    Published
    | Invalidated
    | Flushed
    | Monitored
    | WatchBroken
    | Denied
    | Waits
    | SlowCommand
    | Spike
    | ScriptIsSlow
    | StorageBegan
)

encode_event = msgspec.msgpack.Encoder().encode
decode_event = msgspec.msgpack.Decoder(Event).decode
