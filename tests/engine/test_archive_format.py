"""The bytes of the log archive; the example of docs/formats/archive.md is one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.checksum import crc32c
from kiwi_engine.commit.changes import Changes, encode_changes
from kiwi_engine.engine.archive.format import (
    ARCHIVE_HEADER_BYTES,
    FLAG_ZSTD,
    ArchiveSpan,
    decode_header,
    encode_header,
    encode_record_header,
    spans_among,
)
from kiwi_engine.engine.archive.reader import Archive, ArchivedRecord
from kiwi_engine.errors import ArchiveError, CorruptionError, LayoutError
from kiwi_engine.testing.crash_fs import CrashFs
from tests.support.hexdump import examples

IDENTITY = "00112233445566778899aabbccddeeff"
(EXAMPLE,) = examples("archive.md")
PAYLOAD = encode_changes(1_700_000_000_000, [], {b"k": b"v", b"d": None})


def archive_of(content: bytes) -> Archive:
    fs = CrashFs()
    fs.overwrite(f"/{ArchiveSpan(7, 7).name}", content)
    return Archive(fs, "")


def records_of(content: bytes) -> list[ArchivedRecord]:
    return list(archive_of(content).records(IDENTITY, 1))


def test_the_documented_example() -> None:
    record = encode_record_header(7, 0, len(PAYLOAD), PAYLOAD) + PAYLOAD
    assert encode_header(IDENTITY, 7) + record == EXAMPLE
    changes = Changes(1_700_000_000_000, [], {b"k": b"v", b"d": None})
    assert records_of(EXAMPLE) == [ArchivedRecord(7, changes, len(EXAMPLE))]
    assert archive_of(EXAMPLE).identity() == IDENTITY


def test_names_are_spans() -> None:
    first, second = ArchiveSpan(1, 9), ArchiveSpan(10, 10**20 - 1)
    names = [second.name, "LOCK", "writing", first.name, "1-2.archive", "x.archive", "3.archive"]
    assert spans_among(names) == [first, second]


def test_an_empty_archive() -> None:
    archive = Archive(CrashFs(), "/nothing")
    assert (archive.first_lsn, archive.last_lsn, archive.identity()) == (0, 0, "")
    assert list(archive.records(IDENTITY, 1)) == []


def test_what_is_wrong_with_a_file_is_said() -> None:
    header, lsn_7 = EXAMPLE[:ARCHIVE_HEADER_BYTES], EXAMPLE[ARCHIVE_HEADER_BYTES:]
    other_lsn = encode_record_header(8, 0, len(PAYLOAD), PAYLOAD) + PAYLOAD
    other_flag = encode_record_header(7, 2, len(PAYLOAD), PAYLOAD) + PAYLOAD
    not_zstd = encode_record_header(7, FLAG_ZSTD, len(PAYLOAD), PAYLOAD) + PAYLOAD
    no_changes = encode_record_header(7, 0, 1, b"\xc0") + b"\xc0"
    for content, reason in [
        (header, "ends before record 7"),
        (EXAMPLE[:-1], "reaches past the end"),
        (EXAMPLE + b"\0", "more behind the last record"),
        (header + other_lsn, "LSN 8 stands where 7 should"),
        (header + other_flag, "unknown flags 0x2"),
        (header + not_zstd, "decompression failed"),
        (header + no_changes, "not a changes payload"),
        (encode_header(IDENTITY, 6) + lsn_7, "begins with LSN 6"),
        (header[:20], "ends inside the archive header"),
    ]:
        with pytest.raises(CorruptionError, match=reason):
            records_of(content)
    with pytest.raises(ArchiveError, match="another data directory"):
        records_of(encode_header("6" * 32, 7) + lsn_7)


def test_another_version_is_refused_by_name() -> None:
    body = b"KIWIARC\n" + b"\x02" + encode_header(IDENTITY, 7)[9:36]
    with pytest.raises(LayoutError, match="version 2; this build reads 1"):
        decode_header(body + crc32c(body).to_bytes(4, "little"), "x.archive")


@given(st.binary(max_size=150))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    for content in (data, EXAMPLE[:ARCHIVE_HEADER_BYTES] + data):
        try:
            records_of(content)
        except CorruptionError:
            pass
