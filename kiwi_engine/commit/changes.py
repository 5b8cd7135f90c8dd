"""The payload of a WAL record: the changes of one group (pure codec).

    payload = MessagePack [format version, committed, ranges, changes]
    committed = milliseconds since the Unix epoch, by the clock of the machine at that time
    ranges  = [[begin, end], ...]             deleted first
    changes = {key: value}                    then set, in any order, since keys are distinct
    value   = bin (inline) | nil (deletion) | [encoded pointer, head] (in the value log)

The record is physical: applying it twice gives the same state as applying it once. `committed` is
for people and for a restore up to a moment; nothing else depends on it, since clocks are set back.
Specified in docs/formats/wal.md.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kiwi_engine.commit.group import Entry
from kiwi_engine.vlog.format import POINTER_BYTES
from kiwi_engine.vlog.separated import LargeValue, Separated

CHANGES_VERSION: Final = 2


def _encode_separated(entry: object) -> list[bytes]:
    """How MessagePack carries the two kinds of value that are not bytes."""
    assert isinstance(entry, LargeValue | Separated), entry
    assert entry.pointer, "the value log is written before the record that points to it"
    return [entry.pointer, entry.head]


_encode = msgspec.msgpack.Encoder(enc_hook=_encode_separated).encode
_Values = dict[bytes, bytes | tuple[bytes, bytes] | None]
_Payload = tuple[int, int, list[tuple[bytes, bytes]], _Values]
_decode = msgspec.msgpack.Decoder(_Payload).decode


class Changes(msgspec.Struct, frozen=True):
    """A decoded payload. `committed_ms`: wall clock, milliseconds since the Unix epoch."""

    committed_ms: int
    ranges: list[tuple[bytes, bytes]]
    entries: dict[bytes, Entry]


def encode_changes(
    committed_ms: int, ranges: list[tuple[bytes, bytes]], entries: dict[bytes, Entry]
) -> bytes:
    """The payload of a group whose large values have their pointers already."""
    return _encode((CHANGES_VERSION, committed_ms, ranges, entries))


def decode_changes(payload: bytes) -> Changes:
    """Inverse of `encode_changes`; `ValueError` says what is wrong with the payload."""
    try:
        version, committed_ms, ranges, raw = _decode(payload)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a changes payload: {error}") from error
    if version != CHANGES_VERSION:
        raise ValueError(f"changes version {version}; this build reads {CHANGES_VERSION}")
    for key, value in raw.items():
        if type(value) is tuple:
            pointer, head = value
            if len(pointer) != POINTER_BYTES:
                raise ValueError(f"a pointer of {len(pointer)} bytes")
            raw[key] = Separated(pointer, head)
    return Changes(committed_ms, ranges, raw)
