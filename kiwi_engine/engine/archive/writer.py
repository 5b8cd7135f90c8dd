"""Writing durable records to the log archive (shell; one background thread).

A file is written under another name, synced, renamed, and its name synced: then its records may
leave the log. A crash leaves whole files without holes, and perhaps one draft, which is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from kiwi_engine.commit.changes import decode_changes, encode_changes
from kiwi_engine.commit.group import Entry
from kiwi_engine.engine.archive.format import (
    ARCHIVE_HEADER_BYTES,
    ARCHIVE_RECORD_HEADER_BYTES,
    DRAFT,
    FLAG_ZSTD,
    ArchiveSpan,
    encode_header,
    encode_record_header,
)
from kiwi_engine.errors import ArchiveError, CorruptionError
from kiwi_engine.failpoints import hit
from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.vlog.compression import Compressor
from kiwi_engine.vlog.format import Pointer, decode_pointer
from kiwi_engine.vlog.separated import Separated
from kiwi_engine.wal.format import Record

# A file ends with the record that reaches this size.
FILE_BYTES: Final = 64 << 20
# Reads the value of a key that lies in the value log.
ReadValue = Callable[[bytes, Pointer], bytes]
# Told the LSN up to which the archive is durable now, after each file.
Archived = Callable[[int], None]


class ArchiveWriter:
    """Writes files of one engine's records to `directory`, which belongs to this process."""

    def __init__(
        self, fs: FileSystem, directory: str, identity: str, read_value: ReadValue
    ) -> None:
        self._fs = fs
        self._directory = directory
        self._identity = identity
        self._read_value = read_value
        self._compressor = Compressor(enabled=True)
        self.bytes_written = 0

    def write(self, records: Iterable[Record], archived: Archived) -> None:
        """Archive all `records`, which are dense and follow what is there.

        `OSError` (a full disk, for example) leaves whole files only; call it again, with the
        records behind the last one that `archived` was told.
        """
        draft = None
        try:
            for record in records:
                if draft is None:
                    draft = _Draft(self._create(), self._identity, record.lsn)
                draft.add(record.lsn, *self._stored(record))
                if draft.end >= FILE_BYTES:
                    self._publish(draft, archived)
                    draft = None
            if draft is not None:
                self._publish(draft, archived)
                draft = None
        finally:
            if draft is not None:
                draft.file.close()

    def _stored(self, record: Record) -> tuple[int, int, bytes]:
        """(flags, raw length, stored form) of a record's payload with its values in it."""
        try:
            changes = decode_changes(record.payload)
        except ValueError as error:
            raise CorruptionError(record.path, record.offset, str(error)) from error
        entries = {key: self._whole(key, entry) for key, entry in changes.entries.items()}
        payload = encode_changes(changes.committed_ms, changes.ranges, entries)
        stored = self._compressor.compress(payload)
        return (0, len(payload), payload) if stored is None else (FLAG_ZSTD, len(payload), stored)

    def _whole(self, key: bytes, entry: Entry) -> Entry:
        if isinstance(entry, Separated):
            return self._read_value(key, decode_pointer(entry.pointer))
        return entry

    def _create(self) -> File:
        path = f"{self._directory}/{DRAFT}"
        if self._fs.exists(path):
            self._fs.remove(path)
        return self._fs.create(path)

    def _publish(self, draft: _Draft, archived: Archived) -> None:
        draft.file.datasync()
        draft.file.close()
        hit("archive-write")
        span = ArchiveSpan(draft.first_lsn, draft.last_lsn)
        path = f"{self._directory}/{span.name}"
        if self._fs.exists(path):
            raise ArchiveError(f"{path} is there already: somebody else writes this archive")
        self._fs.rename(draft.file.path, path)
        self._fs.sync_directory(self._directory)
        self.bytes_written += draft.end
        archived(span.last_lsn)


class _Draft:
    """A file being written. `end`: its length."""

    def __init__(self, file: File, identity: str, first_lsn: int) -> None:
        self.file = file
        self.first_lsn = self.last_lsn = first_lsn
        file.pwritev((encode_header(identity, first_lsn),), 0)
        self.end = ARCHIVE_HEADER_BYTES

    def add(self, lsn: int, flags: int, raw_bytes: int, stored: bytes) -> None:
        header = encode_record_header(lsn, flags, raw_bytes, stored)
        self.file.pwritev((header, stored), self.end)
        self.end += ARCHIVE_RECORD_HEADER_BYTES + len(stored)
        self.last_lsn = lsn
