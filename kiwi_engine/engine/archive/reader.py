"""Reading the log archive (shell; one thread, one record in memory)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kiwi_engine.commit.changes import Changes, decode_changes
from kiwi_engine.engine.archive.format import (
    ARCHIVE_HEADER_BYTES,
    ARCHIVE_RECORD_HEADER_BYTES,
    FLAG_ZSTD,
    ArchiveSpan,
    decode_header,
    decode_record_header,
    record_checksum,
    spans_among,
)
from kiwi_engine.errors import ArchiveError, CorruptionError
from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.vlog.compression import decompress


class ArchivedRecord(NamedTuple):
    """A record with its large values in it. `end`: the offset behind it in its file."""

    lsn: int
    changes: Changes
    end: int


class Archive:
    """The archive in `directory`, as it is now. `spans`: its files, without a hole between them."""

    def __init__(self, fs: FileSystem, directory: str) -> None:
        """`ArchiveError` where records are missing between two files; headers are not read."""
        self._fs = fs
        self._directory = directory
        self.spans = spans_among(fs.list_directory(directory))
        for before, after in zip(self.spans, self.spans[1:], strict=False):
            if after.first_lsn != before.last_lsn + 1:
                raise ArchiveError(
                    f"{directory}: {before.name} ends at LSN {before.last_lsn}, "
                    f"the next file is {after.name}"
                )

    @property
    def first_lsn(self) -> int:
        """The first record; 0 where there is none."""
        return self.spans[0].first_lsn if self.spans else 0

    @property
    def last_lsn(self) -> int:
        """The last record; 0 where there is none."""
        return self.spans[-1].last_lsn if self.spans else 0

    def path(self, span: ArchiveSpan) -> str:
        """The file of `span`."""
        return f"{self._directory}/{span.name}"

    def identity(self) -> str:
        """Whose archive it is; "" where it is empty. `CorruptionError` if a header is damaged."""
        if not self.spans:
            return ""
        last = self.spans[-1]
        return ArchiveFile(self._fs, self.path(last), last).identity

    def records(self, identity: str, from_lsn: int) -> Iterator[ArchivedRecord]:
        """The records from `from_lsn` on, ascending.

        `CorruptionError` where a file is damaged, `ArchiveError` where it is not one of `identity`.
        """
        for span in self.spans:
            if span.last_lsn >= from_lsn:
                file = ArchiveFile(self._fs, self.path(span), span)
                if file.identity != identity:
                    raise ArchiveError(f"{file.path} belongs to another data directory")
                for record in file.records():
                    if record.lsn >= from_lsn:
                        yield record


class ArchiveFile:
    """The file of `span`, at `path`. `identity`: whose it is."""

    def __init__(self, fs: FileSystem, path: str, span: ArchiveSpan) -> None:
        """Read the header; `CorruptionError` or `LayoutError` if it is none."""
        self.path = path
        self._fs = fs
        self._span = span
        file = fs.open(path, writable=False)
        try:
            header = decode_header(file.pread(ARCHIVE_HEADER_BYTES, 0), path)
        finally:
            file.close()
        if header.first_lsn != span.first_lsn:
            raise CorruptionError(path, 0, f"the file begins with LSN {header.first_lsn}")
        self.identity = header.identity

    def records(self) -> Iterator[ArchivedRecord]:
        """All records; `CorruptionError` where one is damaged, or missing at the end."""
        file = self._fs.open(self.path, writable=False)
        try:
            offset = ARCHIVE_HEADER_BYTES
            for lsn in range(self._span.first_lsn, self._span.last_lsn + 1):
                record = _record_at(file, offset, lsn)
                offset = record.end
                yield record
            if offset != file.size():
                raise CorruptionError(self.path, offset, "there is more behind the last record")
        finally:
            file.close()


def _record_at(file: File, offset: int, lsn: int) -> ArchivedRecord:
    header_bytes = file.pread(ARCHIVE_RECORD_HEADER_BYTES, offset)
    if len(header_bytes) < ARCHIVE_RECORD_HEADER_BYTES:
        raise CorruptionError(file.path, offset, f"the file ends before record {lsn}")
    header = decode_record_header(header_bytes)
    payload_at = offset + ARCHIVE_RECORD_HEADER_BYTES
    # Not read before it is known to be there: a damaged length may be any number.
    if header.stored_bytes > file.size() - payload_at:
        raise CorruptionError(file.path, offset, f"record {lsn} reaches past the end of the file")
    stored = file.pread(header.stored_bytes, payload_at)
    if header.checksum != record_checksum(header_bytes, stored):
        raise CorruptionError(file.path, offset, f"record {lsn}: checksum mismatch")
    if header.lsn != lsn:
        raise CorruptionError(file.path, offset, f"LSN {header.lsn} stands where {lsn} should")
    try:
        if header.flags & ~FLAG_ZSTD:
            raise ValueError(f"unknown flags {header.flags:#x}")
        compressed = header.flags & FLAG_ZSTD
        payload = decompress(stored, header.raw_bytes) if compressed else stored
        return ArchivedRecord(lsn, decode_changes(payload), payload_at + header.stored_bytes)
    except ValueError as error:
        raise CorruptionError(file.path, offset, f"record {lsn}: {error}") from error
