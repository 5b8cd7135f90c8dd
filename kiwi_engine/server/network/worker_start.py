"""What a worker is told at its start: the state of the primary in that moment (pure codec).

It is the first frame on their link. What changes from then on comes behind it, as messages between
peers.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kiwi_engine.channel.frames import LENGTH
from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.config.settings import Settings


class WorkerStart(msgspec.Struct, frozen=True, kw_only=True):
    """`users` is the text of an ACL file; the rest is as in `ServerFacts`.

    `generation` counts the processes that had this number before.
    """

    number: int
    generation: int
    settings: Settings
    users: bytes
    config_file: str
    run_id: str
    process_id: int
    started_ns: int

    @property
    def numbering(self) -> Numbering:
        return Numbering(self.number, self.settings.network_threads, self.generation)


_decode: Final = msgspec.msgpack.Decoder(WorkerStart).decode


def encode_start(start: WorkerStart) -> bytes:
    """A frame, length included."""
    body = msgspec.msgpack.encode(start)
    return LENGTH.pack(len(body)) + body


def decode_start(body: bytes) -> WorkerStart:
    """`body` is a frame without its length."""
    return _decode(body)
