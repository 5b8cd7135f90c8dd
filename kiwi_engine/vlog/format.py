"""The bytes of the value log (pure codec); specified in docs/formats/vlog.md.

    segment = header (see `fs.segment_format`), entries, perhaps a seal, unused zeros

    entry  0          4         8            12       16      20      24    32       40
           +----------+---------+------------+--------+-------+-------+-----+--------+-----+-------+
           | checksum | segment | key length | stored | raw   | flags | LSN | synced | key | value |
           +----------+---------+------------+--------+-------+-------+-----+--------+-----+-------+

Little-endian. `checksum` is the CRC-32C of everything behind it. `stored` is the length of the
value as it lies here, `raw` that of the value itself. `LSN` is that of the log record that points
here. `synced` is how many bytes of this segment were durable when the entry was written; it tells
a torn tail from corruption, as in the commit log. A seal is an entry without key and value: the
segment was synced up to it and is complete.

    pointer  0         4        12      16    20
             +---------+--------+-------+-----+
             | segment | offset | entry | raw |      `entry`: length of the whole stored entry
             +---------+--------+-------+-----+
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c
from kiwi_engine.fs.segment_format import SegmentKind

VLOG: Final = SegmentKind(b"KIWIVLG\n", 1, ".vlog", "value log")

FLAG_ZSTD: Final = 1
FLAG_SEAL: Final = 2
FLAGS_KNOWN: Final = FLAG_ZSTD | FLAG_SEAL

_ENTRY: Final = struct.Struct("<IIIIIIQQ")
_CHECKED: Final = struct.Struct("<IIIIIQQ")
_CHECKSUM: Final = struct.Struct("<I")
_POINTER: Final = struct.Struct("<IQII")
ENTRY_HEADER_BYTES: Final = 40
SEGMENT_FIELD_OFFSET: Final = 4
POINTER_BYTES: Final = 20
# Key and value may each be as large as a RESP bulk string; the sum must fit a pointer's 32 bits.
KEY_BYTES_MAX: Final = 1 << 30
VALUE_BYTES_MAX: Final = 1 << 30
assert _ENTRY.size == ENTRY_HEADER_BYTES
assert _CHECKSUM.size + _CHECKED.size == ENTRY_HEADER_BYTES
assert _POINTER.size == POINTER_BYTES


class Pointer(NamedTuple):
    """Where a value lies. Two pointers are equal only if they mean the same entry."""

    segment: int
    offset: int
    entry_bytes: int
    raw_bytes: int


class EntryHeader(NamedTuple):
    """The fields in front of an entry's key, not yet checked."""

    checksum: int
    segment: int
    key_bytes: int
    stored_bytes: int
    raw_bytes: int
    flags: int
    lsn: int
    synced: int

    @property
    def entry_bytes(self) -> int:
        """The length of the whole entry."""
        return ENTRY_HEADER_BYTES + self.key_bytes + self.stored_bytes


def encode_pointer(pointer: Pointer) -> bytes:
    """`POINTER_BYTES` bytes."""
    return _POINTER.pack(*pointer)


def decode_pointer(data: bytes) -> Pointer:
    """The reverse of `encode_pointer`; takes the first `POINTER_BYTES` of `data`."""
    return Pointer._make(_POINTER.unpack_from(data))


def encode_entry_header(
    segment: int,
    key: bytes,
    stored: bytes,
    raw_bytes: int,
    flags: int,
    lsn: int,
    synced: int,
) -> bytes:
    """What goes in front of `key` and `stored`."""
    checked = _CHECKED.pack(segment, len(key), len(stored), raw_bytes, flags, lsn, synced)
    return _CHECKSUM.pack(crc32c(stored, crc32c(key, crc32c(checked)))) + checked


def decode_entry_header(data: bytes) -> EntryHeader:
    """The fields of the first `ENTRY_HEADER_BYTES` of `data`."""
    return EntryHeader._make(_ENTRY.unpack_from(data))


def checksum_seed(header: bytes) -> int:
    """The checksum of an encoded header's fields, to be continued over key and value."""
    return crc32c(header[_CHECKSUM.size : ENTRY_HEADER_BYTES])


def entry_checksum(entry: bytes) -> int:
    """What the checksum of a whole `entry` must be."""
    return crc32c(memoryview(entry)[_CHECKSUM.size :])
