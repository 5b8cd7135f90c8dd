"""What DUMP replies and RESTORE takes: a value, the RDB version, a checksum (pure).

    type u8 | value | version u16 | CRC-64 of all before it u64             little-endian

The version is the lowest that has the value's type, so that the oldest servers that can read the
value do.
"""

from __future__ import annotations

import struct
from typing import Final

from kiwi_engine.rdb import kinds
from kiwi_engine.rdb.checksum import crc64
from kiwi_engine.rdb.decode import decode
from kiwi_engine.rdb.encode import Encoded
from kiwi_engine.rdb.values import RdbValue
from kiwi_engine.rdb.wire import UNFOLDED_BYTES_MAX, Reader

_FOOTER: Final = struct.Struct("<HQ")
_VERSION: Final = struct.Struct("<H")
_CHECKSUM: Final = struct.Struct("<Q")


def seal(encoded: Encoded) -> bytes:
    """The payload of a value."""
    covered = encoded.body + _VERSION.pack(encoded.version)
    return covered + _CHECKSUM.pack(crc64(covered))


def is_sound(payload: bytes) -> bool:
    """Whether the checksum is right and the version is one that this build reads."""
    if len(payload) < _FOOTER.size:
        return False
    version, checksum = _FOOTER.unpack_from(payload, len(payload) - _FOOTER.size)
    if not _is_known(version):
        return False
    return bool(crc64(payload[: -_CHECKSUM.size]) == checksum)


def body(payload: bytes) -> bytes:
    """What a payload that `is_sound` holds before its version and checksum."""
    return payload[: -_FOOTER.size]


def _is_known(version: int) -> bool:
    """Redis up to 7.4 and Valkey 9; what the versions between will mean is theirs to decide."""
    return (
        version <= kinds.VERSION_EXPIRING
        or kinds.VERSION_VALKEY <= version <= kinds.VERSION_VALKEY_MAX
    )


def unseal(payload: bytes, unfolded_bytes_max: int = UNFOLDED_BYTES_MAX) -> RdbValue:
    """The value in a payload that `is_sound`; `PayloadError` where there is none."""
    (version,) = _VERSION.unpack_from(payload, len(payload) - _FOOTER.size)
    return decode(Reader(body(payload), unfolded_bytes_max), version)
