"""Reading one segment of the commit log (shell; one thread).

Knows nothing about the other segments: what its end means is `wal.reader`'s to judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kiwi_engine.checksum import crc32c
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.read_ahead import ReadAhead, find_all
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.wal.format import (
    RECORD_HEADER_BYTES,
    SEGMENT_FIELD_OFFSET,
    TERMINATOR,
    WAL,
    Record,
    checksum_seed,
    decode_record_header,
)


class FoundRecord(NamedTuple):
    """An intact record met out of order, while looking behind a damaged place."""

    offset: int
    lsn: int
    synced: int


class SegmentReader:
    """The records of one segment, in bounded memory (a window and one payload).

    `records` leaves in `end` the offset behind the last intact record, and in `fault` why that is
    no record, or "" where the log simply stops there.
    """

    def __init__(self, fs: FileSystem, path: str) -> None:
        """Open `path`; `CorruptionError` or `LayoutError` unless it has a good header."""
        self.path = path
        self._file = fs.open(path, writable=False)
        self._ahead = ReadAhead(self._file)
        self.size = self._file.size()
        self.end = HEADER_BYTES
        self.fault = ""
        try:
            self.number = WAL.check_header(self._file.pread(HEADER_BYTES, 0), path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def records(self, expected_lsn: int = 0, offset: int = HEADER_BYTES) -> Iterator[Record]:
        """The records from `offset` on. The first must have `expected_lsn`, if that is given."""
        self.end = offset
        while True:
            found = self._record_at(self.end, expected_lsn)
            if isinstance(found, str):
                self.fault = found
                return
            self.end = found.end
            expected_lsn = found.lsn + 1
            yield found

    def _record_at(self, offset: int, expected_lsn: int) -> Record | str:
        """The record at `offset`, or why there is none ("" where nothing was written)."""
        data = self._ahead.read(RECORD_HEADER_BYTES, offset)
        if data == TERMINATOR[: len(data)]:
            return ""
        if len(data) < RECORD_HEADER_BYTES:
            return f"{len(data)} stray bytes, too few for a record"
        header = decode_record_header(data)
        if header.segment != self.number:
            return f"not a record of segment {self.number}"
        payload_at = offset + RECORD_HEADER_BYTES
        if header.length > self.size - payload_at:
            return f"a record of {header.length} bytes reaches past the end of the file"
        payload = self._ahead.read(header.length, payload_at)
        if header.checksum != crc32c(payload, checksum_seed(data)):
            return "record checksum mismatch"
        if expected_lsn and header.lsn != expected_lsn:
            return f"LSN {header.lsn} stands where {expected_lsn} was expected"
        return Record(header.lsn, payload, self.path, offset, header.synced)

    def records_behind(self, offset: int, lsn_min: int = 1) -> Iterator[FoundRecord]:
        """Intact records of this segment that begin anywhere behind `offset`.

        Only LSNs that could have been reached from `lsn_min` count, which also keeps bytes of an
        older record that a client stored as a value from being taken for a record.
        """
        lsn_max = lsn_min + self.size // RECORD_HEADER_BYTES if lsn_min > 1 else 2**64
        pattern = self.number.to_bytes(4, "little")
        for at in find_all(self._file, pattern, offset + 1 + SEGMENT_FIELD_OFFSET):
            begin = at - SEGMENT_FIELD_OFFSET
            data = self._ahead.read(RECORD_HEADER_BYTES, begin)
            if len(data) < RECORD_HEADER_BYTES:
                return
            header = decode_record_header(data)
            payload_at = begin + RECORD_HEADER_BYTES
            plausible = (
                lsn_min <= header.lsn <= lsn_max
                and header.synced <= begin
                and header.length <= self.size - payload_at
            )
            if plausible and header.checksum == self._ahead.checksum(
                header.length, payload_at, checksum_seed(data)
            ):
                yield FoundRecord(begin, header.lsn, header.synced)


def peek_first_lsn(fs: FileSystem, path: str) -> int:
    """The LSN that the segment at `path` begins with; 0 if it begins with no intact record."""
    with SegmentReader(fs, path) as segment:
        record = next(segment.records(), None)
    return record.lsn if record else 0


def was_begun(fs: FileSystem, path: str) -> bool:
    """Whether anything was ever logged to the segment at `path`, even if nothing intact is left."""
    with SegmentReader(fs, path) as segment:
        if next(segment.records(), None) is not None or segment.fault:
            return True
        return next(segment.records_behind(HEADER_BYTES), None) is not None
