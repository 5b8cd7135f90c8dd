"""The bytes of the value log; the examples of docs/formats/vlog.md are among them."""

from __future__ import annotations

from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog.format import (
    ENTRY_HEADER_BYTES,
    POINTER_BYTES,
    SEGMENT_FIELD_OFFSET,
    EntryHeader,
    Pointer,
    decode_entry_header,
    decode_pointer,
    encode_entry_header,
    encode_pointer,
)
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter
from tests.support.hexdump import examples

POINTER = Pointer(1, 20, 50, 7)


def test_the_documented_examples_are_what_is_written() -> None:
    fs = CrashFs()
    log = ValueLogWriter.open(fs, "", ValueLogSettings())
    (pointer,) = log.append([(b"key", b"a value")], 7)
    log.close()
    assert pointer == POINTER
    assert [fs.files()["/0000000001.vlog"], encode_pointer(pointer)] == examples("vlog.md")


def test_the_documented_examples_are_read() -> None:
    fs = CrashFs()
    segment, pointer = examples("vlog.md")
    fs.overwrite("/0000000001.vlog", segment)
    assert ValueLogReader(fs, "").read(b"key", decode_pointer(pointer)) == b"a value"


def test_a_pointer_keeps_its_fields() -> None:
    largest = Pointer(2**32 - 1, 2**64 - 1, 2**32 - 1, 2**32 - 1)
    for pointer in (POINTER, largest):
        data = encode_pointer(pointer)
        assert len(data) == POINTER_BYTES
        assert decode_pointer(data + b"more") == pointer


def test_an_entry_header_keeps_its_fields() -> None:
    data = encode_entry_header(7, b"key", b"stored", 2**32 - 1, 1, 2**64 - 1, 2**40)
    assert len(data) == ENTRY_HEADER_BYTES
    header = decode_entry_header(data)
    assert header == EntryHeader(header.checksum, 7, 3, 6, 2**32 - 1, 1, 2**64 - 1, 2**40)
    assert header.entry_bytes == ENTRY_HEADER_BYTES + 9
    assert data[SEGMENT_FIELD_OFFSET : SEGMENT_FIELD_OFFSET + 4] == b"\x07\0\0\0"


def test_the_checksum_covers_every_field() -> None:
    checksums = {
        decode_entry_header(
            encode_entry_header(1 + a, key, value, 5 + b, c, 9 + d, 20 + e)
        ).checksum
        for key, value in ((b"ab", b"c"), (b"a", b"bc"), (b"ab", b"d"))
        for a in (0, 1)
        for b in (0, 1)
        for c in (0, 1)
        for d in (0, 1)
        for e in (0, 1)
    }
    assert len(checksums) == 3 * 32
