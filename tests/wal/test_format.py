"""The bytes of the commit log; the example of docs/formats/wal.md is one of them."""

from __future__ import annotations

from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.wal.format import (
    RECORD_HEADER_BYTES,
    SEGMENT_FIELD_OFFSET,
    RecordHeader,
    decode_record_header,
    encode_record_header,
)
from kiwi_engine.wal.reader import LogReader
from tests.support.hexdump import examples
from tests.wal.disk import open_log


def test_the_documented_example_is_what_is_written() -> None:
    fs = CrashFs()
    log = open_log(fs, segment_bytes=112)
    log.append(b"hello")
    log.sync()
    log.append(b"kiwi")
    assert [fs.files()["/0000000001.wal"]] == examples("wal.md")


def test_the_documented_example_is_read() -> None:
    fs = CrashFs()
    fs.overwrite("/0000000001.wal", examples("wal.md")[0])
    records = list(LogReader(fs, "").records())
    assert [(record.lsn, record.payload, record.synced) for record in records] == [
        (1, b"hello", 20),
        (2, b"kiwi", 49),
    ]


def test_a_record_header_keeps_its_fields() -> None:
    data = encode_record_header(b"abc", 2**64 - 1, 7, 2**32 - 1)
    assert len(data) == RECORD_HEADER_BYTES
    header = decode_record_header(data)
    assert header == RecordHeader(header.checksum, 3, 2**64 - 1, 7, 2**32 - 1)
    assert data[SEGMENT_FIELD_OFFSET : SEGMENT_FIELD_OFFSET + 4] == b"\x07\0\0\0"


def test_the_checksum_covers_every_field() -> None:
    checksums = {
        decode_record_header(encode_record_header(payload, lsn, segment, synced)).checksum
        for payload in (b"abc", b"abd", b"abc\0")
        for lsn in (1, 2)
        for segment in (1, 2)
        for synced in (20, 21)
    }
    assert len(checksums) == 24
