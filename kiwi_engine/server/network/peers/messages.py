"""The messages between the network processes of a server (pure codec).

    frame   = length u32 little-endian, then that many bytes of MessagePack: a list of messages
    message = Ask | Answer | Tell

All of them go over a star: each worker has one link, to the process of the supervisor, which
passes on what is for others. What one process sends to another arrives in its order.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kiwi_engine.channel.frames import LENGTH

# A receiver: everybody but the sender.
OTHERS: Final = -1


class Ask(msgspec.Struct, array_like=True, tag=1, gc=False):
    """A question to the other end of the link; its answer repeats `id`."""

    id: int
    method: str
    parameters: Any


class Answer(msgspec.Struct, array_like=True, tag=2, gc=False):
    """`error` is empty, or the text of what went wrong; `is_reply`: a client is to read that."""

    id: int
    result: Any = None
    error: str = ""
    is_reply: bool = False


class Tell(msgspec.Struct, array_like=True, tag=3, gc=False):
    """Something that wants no answer, for the process `to` or for `OTHERS`."""

    to: int
    method: str
    parameters: Any


Message = Ask | Answer | Tell

_encode = msgspec.msgpack.Encoder().encode
decode_messages = msgspec.msgpack.Decoder(list[Message]).decode


def encode_messages(messages: list[Message]) -> bytes:
    """One frame, length included."""
    body = _encode(messages)
    return LENGTH.pack(len(body)) + body
