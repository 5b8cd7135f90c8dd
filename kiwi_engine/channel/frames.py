"""The messages between the two runtimes (pure codec).

    frame    = length u32 little-endian, then that many bytes of MessagePack
    request  = [runs, queries, gone, urgent]    network runtime -> storage runtime
    reply    = [replies, answers]               storage runtime -> network runtime

A run is what one connection sent in one event-loop tick: its commands in order, to be answered by
one blob of RESP bytes. A query is a question between the runtimes themselves (statistics, settings,
health); no client can write one. Both carry an `id` that the answer repeats. Runs are numbered from
1; replies to run 0 are events (`channel.events`), those to run -N return run N, or the rest of it,
to be sent anew (`channel.returned_runs`).
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar, Final

import msgspec

LENGTH: Final = struct.Struct("<I")
FRAME_BYTES_MAX: Final = 2**32 - 1


class RunFlags:
    """How the commands of a run are to be executed.

    ATOMIC: they are a transaction, answered by one array. MIXED: with ATOMIC, some of them are the
    network runtime's, and the reply is a MessagePack array of each command's reply, theirs empty.
    TRACKED: remember the keys that they read. UNTOUCHED: they do not count as uses of their keys.
    BLOCKING: there is one command, and it may wait. RESUMED: the client has read what there was for
    it, so that its runs are executed again.

    Plain numbers: with an `IntFlag` a single `&` takes longer than a GET.
    """

    ATOMIC: Final = 1
    MIXED: Final = 2
    TRACKED: Final = 4
    UNTOUCHED: Final = 8
    BLOCKING: Final = 16
    RESUMED: Final = 32


class Run(msgspec.Struct, array_like=True, gc=False):
    """Commands of one connection, which `source` tells from all others.

    `shard` is 0 while there is one storage runtime. `user` is empty for one who may do everything.
    `arrived_ns` is when the network runtime got the commands, by the monotonic clock that both
    processes share.
    """

    id: int
    shard: int
    db: int
    resp3: bool
    commands: list[list[bytes]]
    source: int = 0
    flags: int = 0
    user: str = ""
    arrived_ns: int = 0


class ReceivedRun(msgspec.Struct, array_like=True, gc=False):
    """A run as the storage runtime gets it: its commands are decoded when they are asked for.

    So the objects of one run are made, executed and freed while they are in the processor's cache,
    instead of those of thousands of commands at a time.
    """

    id: int
    shard: int
    db: int
    resp3: bool
    encoded: msgspec.Raw
    source: int = 0
    flags: int = 0
    user: str = ""
    arrived_ns: int = 0

    @property
    def commands(self) -> list[list[bytes]]:
        """Decodes anew at each call."""
        return _decode_commands(self.encoded)


class Query(msgspec.Struct, array_like=True, gc=False):
    """A named question or order, with parameters."""

    id: int
    method: str
    parameters: dict[str, Any]


class Request(msgspec.Struct, array_like=True, gc=False):
    """Runs are executed before the queries.

    `gone` are connections that have ended, by their sources: looked at first. `urgent` are queries
    that are answered on arrival (`channel.queries`), whatever waits in front of them.
    """

    runs: list[Run]
    queries: list[Query]
    gone: list[int] = []
    urgent: list[Query] = []
    # See `ReceivedRequest`: nobody tells this of itself.
    ended: ClassVar[tuple[int, ...]] = ()


class ReceivedRequest(msgspec.Struct, array_like=True, gc=False):
    """A request as the storage runtime gets it.

    `ended` does not travel: who reads the channels notes there, behind all that they have sent, the
    numbers of network processes that have ended.
    """

    runs: list[ReceivedRun]
    queries: list[Query]
    gone: list[int] = []
    urgent: list[Query] = []
    ended: tuple[int, ...] = ()


class Reply(msgspec.Struct, array_like=True, gc=False):
    """`replies` are (run id, RESP bytes); `answers` are (query id, error or "", result)."""

    replies: list[tuple[int, bytes]]
    answers: list[tuple[int, str, Any]]


_encode = msgspec.msgpack.Encoder().encode
_decode_commands = msgspec.msgpack.Decoder(list[list[bytes]]).decode
decode_request = msgspec.msgpack.Decoder(ReceivedRequest).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def encode_frame(message: Request | Reply) -> bytes:
    """The frame of `message`, length included."""
    body = _encode(message)
    assert len(body) <= FRAME_BYTES_MAX, "a frame is bounded by the channel's credits"
    return LENGTH.pack(len(body)) + body
