"""The bytes of the commit log (pure codec); specified in docs/formats/wal.md.

    segment = header (see `fs.segment_format`), records, terminator, unused space

    record  0          4        8     16        20       24
            +----------+--------+-----+---------+--------+---------+
            | checksum | length | LSN | segment | synced | payload |     little-endian
            +----------+--------+-----+---------+--------+---------+

`checksum` is the CRC-32C of everything behind it. `segment` keeps the stale records of a recycled
file from being taken for new ones. `synced` is how many bytes of this segment were durable when
the record was written: a damaged record in front of an intact one that calls it synced is
corruption, in front of none it is a torn tail. (Pebble's log carries a synced offset for the same
reason: cockroachdb/pebble, record/record.go.) The terminator is a record header of zeros, cut off
where the segment ends; the next record overwrites it.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c
from kiwi_engine.fs.segment_format import HEADER_BYTES, SegmentKind

WAL: Final = SegmentKind(b"KIWIWAL\n", 1, ".wal", "commit log")
# A released segment kept for reuse, still under its old number.
RECYCLED: Final = WAL._replace(suffix=".recycled", words="recycled commit log")

_RECORD: Final = struct.Struct("<IIQII")
_CHECKED: Final = struct.Struct("<IQII")
_CHECKSUM: Final = struct.Struct("<I")
RECORD_HEADER_BYTES: Final = 24
SEGMENT_FIELD_OFFSET: Final = 16
TERMINATOR: Final = bytes(RECORD_HEADER_BYTES)
PAYLOAD_BYTES_MAX: Final = 1 << 30
# `synced` is 32 bits wide, so no segment, not even one made for a huge record, may pass 4 GiB.
SEGMENT_BYTES_MIN: Final = HEADER_BYTES + RECORD_HEADER_BYTES
SEGMENT_BYTES_MAX: Final = 1 << 31
assert _RECORD.size == RECORD_HEADER_BYTES
assert _CHECKSUM.size + _CHECKED.size == RECORD_HEADER_BYTES


class Record(NamedTuple):
    """One group as it was logged. `synced` is the claim described above."""

    lsn: int
    payload: bytes
    path: str
    offset: int
    synced: int

    @property
    def end(self) -> int:
        """The offset behind the record."""
        return self.offset + RECORD_HEADER_BYTES + len(self.payload)


class RecordHeader(NamedTuple):
    """The fields in front of a payload, not yet checked against it."""

    checksum: int
    length: int
    lsn: int
    segment: int
    synced: int


def encode_record_header(payload: bytes, lsn: int, segment: int, synced: int) -> bytes:
    """What goes in front of `payload`."""
    checked = _CHECKED.pack(len(payload), lsn, segment, synced)
    return _CHECKSUM.pack(crc32c(payload, crc32c(checked))) + checked


def decode_record_header(data: bytes) -> RecordHeader:
    """The fields of the first `RECORD_HEADER_BYTES` of `data`."""
    return RecordHeader._make(_RECORD.unpack_from(data))


def checksum_seed(header: bytes) -> int:
    """The checksum of an encoded header's fields, to be continued over the payload."""
    return crc32c(header[_CHECKSUM.size : RECORD_HEADER_BYTES])
