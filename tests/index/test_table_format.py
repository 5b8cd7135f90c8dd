"""The parts of a table file: numbers, footer, blocks of handles, compression."""

from __future__ import annotations

import pytest
import zstandard

from kiwi_engine.index.block_compression import LZ4, NONE, ZSTD, decompress_block
from kiwi_engine.index.table_format import (
    FOOTER_BYTES,
    Handle,
    UnknownTableError,
    decode_footer,
    final_checksum,
    has_two_levels,
    index_handles,
    metaindex_handles,
    read_varint,
)

# The footer of a table that RocksDB 9.8 wrote, 47237 bytes long.
FOOTER = bytes.fromhex(
    "013e007a002dfc34e254a7077e880000000000000000000000000000000000000000000000000000000600"
    "0000f7cff485b741e288"
)
FOOTER_AT = 47237 - FOOTER_BYTES


def test_a_footer_of_rocksdb() -> None:
    footer = decode_footer(FOOTER, FOOTER_AT)
    assert footer.metaindex == Handle(47043, 136)
    assert footer.metaindex.end == FOOTER_AT


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (FOOTER[1:], "too short"),
        (FOOTER[:-1] + b"\x89", "does not end like a table"),
        (FOOTER[:20] + b"\x01" + FOOTER[21:], "footer checksum"),
        (FOOTER[:1] + b"\x3f" + FOOTER[2:], "footer checksum"),
    ],
)
def test_a_bad_footer(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_footer(data, FOOTER_AT)


def test_a_footer_in_another_place() -> None:
    with pytest.raises(ValueError, match="footer checksum"):
        decode_footer(FOOTER, FOOTER_AT + 1)


def test_a_footer_of_another_kind() -> None:
    with pytest.raises(UnknownTableError, match="checksum type 4"):
        decode_footer(b"\x04" + FOOTER[1:], FOOTER_AT)


def test_a_table_without_context_has_plain_checksums() -> None:
    assert final_checksum(1, 0, 100) == final_checksum(1, 0, 200) == 0x20000 + 0xA282EAD8


@pytest.mark.parametrize(
    ("data", "number", "end"), [(b"\x00", 0, 1), (b"\x7f", 127, 1), (b"\x80\x01", 128, 2)]
)
def test_numbers(data: bytes, number: int, end: int) -> None:
    assert read_varint(data, 0) == (number, end)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 11])
def test_numbers_without_an_end(data: bytes) -> None:
    with pytest.raises(ValueError, match="without an end"):
        read_varint(data, 0)


RESTARTS = b"\x00\x00\x00\x00\x01\x00\x00\x00"


def test_a_metaindex_shares_keys() -> None:
    entries = b"\x00\x03\x02abc\x05\x06" + b"\x02\x01\x03d\x80\x01\x07"
    assert metaindex_handles(entries + RESTARTS) == {b"abc": Handle(5, 6), b"abd": Handle(128, 7)}


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        (b"rocksdb.block.based.table.index.type", 2, True),
        (b"rocksdb.block.based.table.index.type", 0, False),
        (b"another", 2, False),
    ],
)
def test_levels_of_the_index(name: bytes, number: int, expected: bool) -> None:
    properties = bytes([0, len(name), 4]) + name + bytes([number, 0, 0, 0]) + RESTARTS
    assert has_two_levels(properties) is expected


def test_an_index_has_no_lengths() -> None:
    entries = b"\x00\x01a\x00\x0a" + b"\x00\x01b\x0f\x14"
    assert list(index_handles(entries + RESTARTS)) == [Handle(0, 10), Handle(15, 20)]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"\x01", "few bytes"),
        (b"\x00\x01a\x00\x0a\x00" + RESTARTS, "without an end|do not end"),
        (b"\x01\x01a\x00\x0a" + RESTARTS, "shared keys"),
        (b"\x00\x7fa\x00" + RESTARTS, "without an end"),
        (b"\x00\x01a\x00\x0a\xff\xff\xff\x7f", "do not end"),
    ],
)
def test_a_bad_index(block: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(index_handles(block))


def test_what_is_not_compressed() -> None:
    assert decompress_block(NONE, b"abc") == b"abc"


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"\x03" + b"\x30abc", b"abc"),
        # Two literals, then four bytes from two back: they overlap what they make.
        (b"\x06" + b"\x20ab\x02\x00" + b"\x00", b"ababab"),
        # Fifteen literals and more, a match of 19 and more.
        (b"\x2b" + b"\xff\x01" + b"0123456789abcdef" + b"\x10\x00\x04" + b"\x40wxyz",
         b"0123456789abcdef" * 2 + b"0123456" + b"wxyz"),
        (b"\x94\x02" + b"\x1fa\x01\x00\xff\x00" + b"\x10z", b"a" * 275 + b"z"),
    ],
)  # fmt: skip
def test_lz4(data: bytes, content: bytes) -> None:
    assert decompress_block(LZ4, data) == content


def test_zstandard() -> None:
    data = zstandard.ZstdCompressor().compress(b"content" * 9)
    assert decompress_block(ZSTD, b"\x3f" + data) == b"content" * 9


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        (LZ4, b"\x03\x20ab", "another length"),
        (LZ4, b"\x05\x20ab\x02", "end too early"),
        (LZ4, b"\x05\x20ab\x00\x00\x00", "before the beginning"),
        (LZ4, b"\x05\x20ab\x03\x00\x00", "before the beginning"),
        (ZSTD, b"\x05abc", "decompression failed"),
        (1, b"\x01a", "compression type 1"),
        (LZ4, b"\xff\xff\xff\xff\x7f", "a block of"),
    ],
)
def test_bad_compression(kind: int, data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decompress_block(kind, data)
