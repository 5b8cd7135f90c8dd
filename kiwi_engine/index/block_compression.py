"""Decompressing a block of a RocksDB table (pure).

    compressed block = length of the data (LEB128), compressed data

Needed for index blocks alone, to find what there is to check: one of them is some hundred kilobytes
at most. LZ4 is done here (format: lz4_Block_format.md of the LZ4 project), since no other part of
the program needs it; for this a library would be one more thing to install.
"""

from __future__ import annotations

from typing import Final

import zstandard

from kiwi_engine.index.table_format import read_varint

NONE: Final = 0
LZ4: Final = 4
LZ4HC: Final = 5
ZSTD: Final = 7
# A match is at least this long; a length of 15 in the token goes on in further bytes.
_MATCH_MIN: Final = 4
_LENGTH_MORE: Final = 15
_BYTE_MORE: Final = 255
# No index block of a table comes near it.
_BYTES_MAX: Final = 1 << 28


def decompress_block(kind: int, data: bytes) -> bytes:
    """The content of a block of the compression type `kind`; `ValueError` if it has none."""
    if kind == NONE:
        return data
    length, at = read_varint(data, 0)
    if length > _BYTES_MAX:
        raise ValueError(f"a block of {length} bytes")
    if kind in (LZ4, LZ4HC):
        content = _lz4(data, at)
    elif kind == ZSTD:
        content = _zstd(data[at:], length)
    else:
        raise ValueError(f"compression type {kind}")
    if len(content) != length:
        raise ValueError("a compressed block of another length")
    return content


def _zstd(data: bytes, length: int) -> bytes:
    try:
        content: bytes = zstandard.ZstdDecompressor().decompress(data, max_output_size=length)
    except zstandard.ZstdError as failure:
        raise ValueError(f"decompression failed: {failure}") from failure
    return content


def _lz4(data: bytes, at: int) -> bytes:
    """Sequences of literals and a match with what is there already; the last has no match."""
    content = bytearray()
    try:
        while True:
            token = data[at]
            literals, at = _length(data, at + 1, token >> 4)
            content += data[at : at + literals]
            at += literals
            if at >= len(data):
                return bytes(content)
            distance = data[at] | data[at + 1] << 8
            match, at = _length(data, at + 2, token & _LENGTH_MORE)
            _repeat(content, distance, match + _MATCH_MIN)
    except IndexError:
        raise ValueError("decompression failed: the data end too early") from None


def _length(data: bytes, at: int, length: int) -> tuple[int, int]:
    if length == _LENGTH_MORE:
        while True:
            more = data[at]
            at += 1
            length += more
            if more != _BYTE_MORE:
                break
    return length, at


def _repeat(content: bytearray, distance: int, length: int) -> None:
    """Append `length` bytes from `distance` back; what is appended may be part of it."""
    begin = len(content) - distance
    if not distance or begin < 0:
        raise ValueError("decompression failed: a match before the beginning")
    while length > 0:
        piece = content[begin : begin + length]
        content += piece
        begin += len(piece)
        length -= len(piece)
