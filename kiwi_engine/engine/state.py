"""What the engine itself keeps in the index, beside the entries it drains (pure codec).

One key, written in the same batch as each slice of a drain, so that it is always exactly as old as
the entries around it: applied LSN, counters, and what is known to be discarded in the value log.
Specified in docs/formats/keys.md.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kiwi_engine.errors import CorruptionError
from kiwi_engine.vlog.discard import DiscardTable

# Keys that begin with 0x00 belong to the engine; the keyspace above uses letters.
STATE_KEY: Final = b"\x00state"


class IndexState(msgspec.Struct, frozen=True, kw_only=True):
    """`applied_lsn`: everything up to it is in the index. `discards`: an encoded `DiscardTable`.

    `reached_lsn`: nothing beyond it is; higher than `applied_lsn` while a drain is under way, and
    after a crash in one.
    """

    applied_lsn: int = 0
    reached_lsn: int = 0
    counters: dict[bytes, int] = {}
    discards: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(IndexState).decode


def encode_state(state: IndexState) -> bytes:
    """The value of `STATE_KEY`; counters that are zero are left out."""
    kept = {name: count for name, count in state.counters.items() if count}
    return _encode(msgspec.structs.replace(state, counters=kept))


def decode_state(stored: bytes | None) -> IndexState:
    """Inverse of `encode_state`; a new index (None) has applied nothing."""
    if stored is None:
        return IndexState()
    try:
        state = _decode(stored)
        DiscardTable.decode(state.discards)
    except (msgspec.DecodeError, ValueError) as error:
        raise CorruptionError("index", 0, f"the engine's state is damaged: {error}") from error
    return state
