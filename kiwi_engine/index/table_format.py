"""How a RocksDB table is built, as far as its checksums need it (pure codec).

    table = data blocks, filter blocks, index blocks, ..., metaindex block, footer    (no gaps)

    block  +------+---------+--------------+
           | data | type u8 | checksum u32 |      `type`: how `data` is compressed
           +------+---------+--------------+

    footer  0             1           5          9         13          17     41        45     53
            +-------------+-----------+----------+---------+-----------+------+---------+-------+
            | checksum u8 | 3e007a00  | checksum | context | metaindex | zero | version | magic |
            | (its kind)  |           | u32      | u32     | bytes u32 |      | u32     | u64   |
            +-------------+-----------+----------+---------+-----------+------+---------+-------+

Little-endian. The metaindex block ends where the footer begins. It maps names to the places of the
other blocks; the index block maps keys to the places of the data blocks, or, in an index of two
levels, to those of its partitions, which do. A filter in partitions has an index, too. Every
checksum is a masked CRC-32C with the block's offset and the table's context added, so that a block
in a wrong place, or of another table, does not pass. Version 6 of the format (RocksDB 8.6 and
later) with CRC-32C, which is what `index.options` asks for; described in RocksDB's
`table/format.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from kiwi_engine.checksum import crc32c

FOOTER_BYTES: Final = 53
TRAILER_BYTES: Final = 5
FORMAT_VERSION: Final = 6
CHECKSUM_CRC32C: Final = 1
INDEX_NAME: Final = b"rocksdb.index"
PROPERTIES_NAME: Final = b"rocksdb.properties"
PARTITIONED_FILTER_PREFIX: Final = b"partitionedfilter."

_FOOTER: Final = struct.Struct("<B4sIII24sIQ")
_TRAILER: Final = struct.Struct("<BI")
_U32: Final = struct.Struct("<I")
_CHECKSUM_AT: Final = slice(5, 9)
_EXTENDED_MAGIC: Final = b"\x3e\x00\x7a\x00"
_MAGIC: Final = 0x88E241B785F4CFF7
_MASK_DELTA: Final = 0xA282EAD8
_U32_MAX: Final = 0xFFFFFFFF
# The highest bit of the number of restarts says that a hash index precedes them.
_RESTARTS_MASK: Final = 0x7FFFFFFF
_INDEX_TYPE: Final = b"rocksdb.block.based.table.index.type"
_TWO_LEVELS: Final = 2
assert _FOOTER.size == FOOTER_BYTES
assert _TRAILER.size == TRAILER_BYTES


class Handle(NamedTuple):
    """Where a block lies; `length` is without its trailer."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the trailer."""
        return self.offset + self.length + TRAILER_BYTES


class Footer(NamedTuple):
    """`context` goes into the checksum of each block of the table."""

    context: int
    metaindex: Handle


class UnknownTableError(ValueError):
    """A table of a kind that RocksDB may know, and this module does not."""


def decode_footer(data: bytes, offset: int) -> Footer:
    """The footer `data`, which stands at `offset`; `ValueError` says what is wrong with it.

    `UnknownTableError` where it is one of another version, or with another kind of checksum.
    """
    if len(data) < FOOTER_BYTES:
        raise ValueError("the file is too short for a table")
    kind, extended, checksum, context, length, _, version, magic = _FOOTER.unpack(data)
    if magic != _MAGIC:
        raise ValueError("the file does not end like a table")
    if (version, kind) != (FORMAT_VERSION, CHECKSUM_CRC32C):
        raise UnknownTableError(f"table format version {version}, checksum type {kind}")
    blank = bytearray(data)
    blank[_CHECKSUM_AT] = bytes(4)
    if extended != _EXTENDED_MAGIC or checksum != final_checksum(crc32c(blank), context, offset):
        raise ValueError("footer checksum mismatch")
    return Footer(context, Handle(offset - TRAILER_BYTES - length, length))


def decode_trailer(data: bytes) -> tuple[int, int]:
    """(compression type, checksum) behind a block."""
    kind, checksum = _TRAILER.unpack(data)
    return kind, checksum


def final_checksum(crc: int, context: int, offset: int) -> int:
    """What is stored for `crc`, that of a block and its type, at `offset`."""
    masked = ((crc >> 15 | crc << 17) + _MASK_DELTA) & _U32_MAX
    place = context ^ ((offset + (offset >> 32)) & _U32_MAX) if context else 0
    return (masked + place) & _U32_MAX


def metaindex_handles(block: bytes) -> dict[bytes, Handle]:
    """The places of the blocks other than data blocks, by name; `ValueError` if it makes no sense.

    `block` is not compressed; RocksDB never compresses a metaindex.
    """
    handles = {}
    for key, at, _ in _entries(block, has_value_length=True):
        handles[key] = _handle(block, at)[0]
    return handles


def has_two_levels(properties: bytes) -> bool:
    """Whether the properties of a table say that its index is in partitions. As above."""
    for key, begin, end in _entries(properties, has_value_length=True):
        if key == _INDEX_TYPE:
            return int.from_bytes(properties[begin:end], "little") == _TWO_LEVELS
    return False


def index_handles(block: bytes) -> Iterator[Handle]:
    """The places that an index names, ascending. As above; `block` is decompressed.

    An index block leaves out the length of its values, and its keys are whole.
    """
    for _, at, _ in _entries(block, has_value_length=False):
        yield _handle(block, at)[0]


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, offset behind it) of the LEB128 number at `at`; `ValueError` if it does not end."""
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number without an end")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _handle(block: bytes, at: int) -> tuple[Handle, int]:
    offset, at = read_varint(block, at)
    length, at = read_varint(block, at)
    return Handle(offset, length), at


def _entries(block: bytes, *, has_value_length: bool) -> Iterator[tuple[bytes, int, int]]:
    """(key, where its value begins, where it ends) for each entry of a block of handles."""
    if len(block) < _U32.size:
        raise ValueError("a block of few bytes")
    restarts = _U32.unpack_from(block, len(block) - _U32.size)[0] & _RESTARTS_MASK
    end = len(block) - _U32.size * (1 + restarts)
    at, key = 0, b""
    while at < end:
        shared, at = read_varint(block, at)
        unshared, at = read_varint(block, at)
        value_bytes = -1
        if has_value_length:
            value_bytes, at = read_varint(block, at)
        elif shared:
            # RocksDB would write this handle as a difference to the one before.
            raise ValueError("an index with shared keys")
        key = key[:shared] + block[at : at + unshared]
        begin = at + unshared
        at = begin + value_bytes if has_value_length else _handle(block, begin)[1]
        yield key, begin, at
    if at != end:
        raise ValueError("the entries of a block do not end where its restarts begin")
