"""Runs that come back because their client is to read first (pure codec).

    returned = (-run id, done u32 little-endian, RESP bytes of the first `done` commands)

A client that asks for much and reads nothing would have its replies pile up in both processes. So
the storage runtime stops within a run when its replies exceed `channel-reply-bytes`, and returns
the rest of it unexecuted, as it does from then on with all that the same connection has sent behind
it. The network runtime keeps these runs and sends them anew, in their order, when the client has
read what there is for it; the first of them carries `RunFlags.RESUMED`.
"""

from __future__ import annotations

import struct
from typing import Final

_DONE: Final = struct.Struct("<I")


def encode_returned(run_id: int, done: int, replies: bytes) -> tuple[int, bytes]:
    """The reply to a run of which only the first `done` commands were executed."""
    return -run_id, _DONE.pack(done) + replies


def is_returned(run_id: int) -> bool:
    """Whether a reply with this number is that of a run that comes back."""
    return run_id < 0


def decode_returned(run_id: int, encoded: bytes) -> tuple[int, int, bytes]:
    """The run's number, how many commands were executed, and their replies."""
    (done,) = _DONE.unpack_from(encoded)
    return -run_id, done, encoded[_DONE.size :]
