"""The messages between the two runtimes (pure codec).

    frame    = length u32 little-endian, then that many bytes of MessagePack
    request  = [kind 0: runs, queries]      network runtime -> storage runtime
    reply    = [replies, answers]           storage runtime -> network runtime

A run is what one connection sent in one event-loop tick: its commands in order, to be answered by
one blob of RESP bytes. A query is a question between the runtimes themselves (statistics, settings,
health); no client can write one. Both carry an `id` that the answer repeats.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

LENGTH: Final = struct.Struct("<I")
FRAME_BYTES_MAX: Final = 2**32 - 1


class Run(msgspec.Struct, array_like=True, gc=False):
    """Commands of one connection. `shard` is 0 while there is one storage runtime."""

    id: int
    shard: int
    db: int
    resp3: bool
    commands: list[list[bytes]]


class Query(msgspec.Struct, array_like=True, gc=False):
    """A named question with parameters; see `channel.queries`."""

    id: int
    method: str
    parameters: dict[str, Any]


class Request(msgspec.Struct, array_like=True, gc=False):
    runs: list[Run]
    queries: list[Query]


class Reply(msgspec.Struct, array_like=True, gc=False):
    """`replies` are (run id, RESP bytes); `answers` are (query id, error or "", result)."""

    replies: list[tuple[int, bytes]]
    answers: list[tuple[int, str, Any]]


_encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def encode_frame(message: Request | Reply) -> bytes:
    """The frame of `message`, length included."""
    body = _encode(message)
    assert len(body) <= FRAME_BYTES_MAX, "a frame is bounded by the channel's credits"
    return LENGTH.pack(len(body)) + body
