"""The bytes of the log archive (pure codec); specified in docs/formats/archive.md.

    file    = header, records; named FIRST-LAST.archive by the LSNs it holds, 20 digits each

    header  0        8         12         28         36         40
            +--------+---------+----------+-----------+----------+
            | magic  | version | identity | first LSN | checksum |        little-endian
            +--------+---------+----------+-----------+----------+

    record  0          4       8     16    24       32
            +----------+-------+-----+-----+--------+---------+
            | checksum | flags | LSN | raw | stored | payload |
            +----------+-------+-----+-----+--------+---------+

A checksum is the CRC-32C of everything else in its header or record. `raw` and `stored` are the
lengths of the payload itself and as it lies here, which differ where `flags` says that it is
compressed. The payload is that of the log record (`commit.changes`), but for large values: they
stand in it as they are, so that an archive needs no value log.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c
from kiwi_engine.errors import CorruptionError, LayoutError

ARCHIVE_FORMAT: Final = 1
SUFFIX: Final = ".archive"
# Being written; removed at the next start.
DRAFT: Final = "writing"
FLAG_ZSTD: Final = 1
_MAGIC: Final = b"KIWIARC\n"
_HEADER: Final = struct.Struct("<8sI16sQI")
_RECORD: Final = struct.Struct("<IIQQQ")
_CHECKED: Final = struct.Struct("<IQQQ")
_CHECKSUM: Final = struct.Struct("<I")
ARCHIVE_HEADER_BYTES: Final = 40
ARCHIVE_RECORD_HEADER_BYTES: Final = 32
_LSN_DIGITS: Final = 20
assert _HEADER.size == ARCHIVE_HEADER_BYTES
assert _RECORD.size == ARCHIVE_RECORD_HEADER_BYTES
assert _CHECKSUM.size + _CHECKED.size == ARCHIVE_RECORD_HEADER_BYTES


class ArchiveSpan(NamedTuple):
    """One archive file: the LSNs it holds, both included."""

    first_lsn: int
    last_lsn: int

    @property
    def name(self) -> str:
        """Its file name."""
        return f"{self.first_lsn:0{_LSN_DIGITS}d}-{self.last_lsn:0{_LSN_DIGITS}d}{SUFFIX}"


class ArchiveHeader(NamedTuple):
    """Whose records they are, and the LSN of the first."""

    identity: str
    first_lsn: int


class ArchivedHeader(NamedTuple):
    """The fields in front of a payload, not yet checked against it."""

    checksum: int
    flags: int
    lsn: int
    raw_bytes: int
    stored_bytes: int


def spans_among(names: Iterable[str]) -> list[ArchiveSpan]:
    """The archive files among the file `names`, ascending; other names are passed over."""
    spans = []
    for name in names:
        first, dash, last = name.removesuffix(SUFFIX).partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            span = ArchiveSpan(int(first), int(last))
            if span.name == name:
                spans.append(span)
    return sorted(spans)


def encode_header(identity: str, first_lsn: int) -> bytes:
    """The header of a file; `identity` is that of the layout file, 32 hexadecimal digits."""
    body = _HEADER.pack(_MAGIC, ARCHIVE_FORMAT, bytes.fromhex(identity), first_lsn, 0)[:-4]
    return body + _CHECKSUM.pack(crc32c(body))


def decode_header(data: bytes, path: str) -> ArchiveHeader:
    """The header of the file at `path`; `CorruptionError` or `LayoutError` if it is none."""
    if len(data) < ARCHIVE_HEADER_BYTES:
        raise CorruptionError(path, 0, "the file ends inside the archive header")
    magic, version, identity, first_lsn, checksum = _HEADER.unpack_from(data)
    if checksum != crc32c(data[: ARCHIVE_HEADER_BYTES - 4]) or magic != _MAGIC:
        raise CorruptionError(path, 0, "not an archive, or its header checksum does not match")
    if version != ARCHIVE_FORMAT:
        raise LayoutError(
            f"{path} has archive format version {version}; this build reads {ARCHIVE_FORMAT}"
        )
    return ArchiveHeader(identity.hex(), first_lsn)


def encode_record_header(lsn: int, flags: int, raw_bytes: int, stored: bytes) -> bytes:
    """What goes in front of the `stored` form of a payload."""
    checked = _CHECKED.pack(flags, lsn, raw_bytes, len(stored))
    return _CHECKSUM.pack(crc32c(stored, crc32c(checked))) + checked


def decode_record_header(data: bytes) -> ArchivedHeader:
    """The fields of the first `ARCHIVE_RECORD_HEADER_BYTES` of `data`."""
    return ArchivedHeader._make(_RECORD.unpack_from(data))


def record_checksum(header: bytes, stored: bytes) -> int:
    """What the checksum of a record must be."""
    return crc32c(stored, crc32c(header[_CHECKSUM.size : ARCHIVE_RECORD_HEADER_BYTES]))
