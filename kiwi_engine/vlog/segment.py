"""Reading one segment of the value log front to back (shell; one thread).

For verification, dumps and garbage collection; a client's read follows a pointer instead
(`vlog.reader`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.read_ahead import ReadAhead, find_all
from kiwi_engine.fs.segment_format import (
    HEADER_BYTES,
    CleanEnd,
    Corruption,
    Ending,
    TornTail,
)
from kiwi_engine.vlog.format import (
    ENTRY_HEADER_BYTES,
    FLAG_SEAL,
    FLAG_ZSTD,
    FLAGS_KNOWN,
    SEGMENT_FIELD_OFFSET,
    VLOG,
    EntryHeader,
    Pointer,
    checksum_seed,
    decode_entry_header,
)


class Entry(NamedTuple):
    """An intact entry, without its value."""

    key: bytes
    pointer: Pointer
    lsn: int
    compressed: bool

    @property
    def end(self) -> int:
        """The offset behind the entry; grows from entry to entry, for a progress bar."""
        return self.pointer.offset + self.pointer.entry_bytes


class ValueSegmentReader:
    """One pass over the segment at `path`, in bounded memory (a window and one key).

    `ending` is set once `entries` is exhausted. An unsealed segment may end torn, whatever its
    number: a later process does not write to it again.
    """

    def __init__(self, fs: FileSystem, path: str) -> None:
        self.path = path
        self.ending: Ending | None = None
        self.sealed = False
        self._fs = fs

    def entries(self) -> Iterator[Entry]:
        """The entries in order. Damage is never raised, it is the `ending`.

        Raises `LayoutError` where another format version wrote the segment.
        """
        file = self._fs.open(self.path, writable=False)
        try:
            VLOG.check_header(file.pread(HEADER_BYTES, 0), self.path)
            number, size = VLOG.number(self.path), file.size()
            scan = EntryScan(ReadAhead(file), self.path, number, size)
            offset, fault = HEADER_BYTES, ""
            while not isinstance(header := scan.entry_at(offset), str):
                if header.flags & FLAG_SEAL:
                    self.sealed = True
                    break
                key = scan.key_at(offset, header)
                pointer = Pointer(number, offset, header.entry_bytes, header.raw_bytes)
                yield Entry(key, pointer, header.lsn, bool(header.flags & FLAG_ZSTD))
                offset += header.entry_bytes
            else:
                fault = header
            if self.sealed:
                self.ending = CleanEnd(self.path, offset)
            else:
                behind = find_all(
                    file, number.to_bytes(4, "little"), offset + 1 + SEGMENT_FIELD_OFFSET
                )
                self.ending = scan.judge_end(offset, fault, behind)
        except CorruptionError as damage:
            self.ending = Corruption(damage.path, damage.offset, damage.reason)
        finally:
            file.close()


class EntryScan:
    """What stands where in an open segment."""

    def __init__(self, ahead: ReadAhead, path: str, number: int, size: int) -> None:
        self._path = path
        self._ahead = ahead
        self._number = number
        self._size = size

    def entry_at(self, offset: int) -> EntryHeader | str:
        """The intact entry or seal at `offset`, or why there is none ("" where nothing is)."""
        data = self._ahead.read(ENTRY_HEADER_BYTES, offset)
        if data.count(0) == len(data):
            return ""
        if len(data) < ENTRY_HEADER_BYTES:
            return f"{len(data)} stray bytes, too few for an entry"
        header = decode_entry_header(data)
        if header.segment != self._number:
            return f"not an entry of segment {self._number}"
        if header.entry_bytes > self._size - offset:
            return f"an entry of {header.entry_bytes} bytes reaches past the end of the file"
        body_at, body_bytes = offset + ENTRY_HEADER_BYTES, header.key_bytes + header.stored_bytes
        if header.checksum != self._ahead.checksum(body_bytes, body_at, checksum_seed(data)):
            return "entry checksum mismatch"
        if header.flags & ~FLAGS_KNOWN:
            raise CorruptionError(self._path, offset, f"unknown entry flags {header.flags:#x}")
        return header

    def key_at(self, offset: int, header: EntryHeader) -> bytes:
        """The key of the entry at `offset`."""
        return self._ahead.read(header.key_bytes, offset + ENTRY_HEADER_BYTES)

    def judge_end(self, end: int, fault: str, behind: Iterator[int]) -> Ending:
        """What it means that the intact entries end at `end`.

        `behind` are the places where the segment's number occurs later on.
        """
        unsynced_behind = False
        for at in behind:
            begin = at - SEGMENT_FIELD_OFFSET
            header = self.entry_at(begin)
            if isinstance(header, str) or header.synced > begin:
                continue
            if header.synced > end:
                reason = fault or "zeros where an entry was"
                proof = f"the entry at offset {begin} shows that it was synced"
                return Corruption(self._path, end, f"{reason}; {proof}")
            unsynced_behind = True
        if fault or unsynced_behind:
            return TornTail(self._path, end, fault or "unsynced entries behind a gap")
        return CleanEnd(self._path, end)


class SegmentSummary(NamedTuple):
    """What `verify_segment` found."""

    entries: int
    entry_bytes: int
    lsn_max: int
    sealed: bool
    ending: Ending


def verify_segment(fs: FileSystem, path: str) -> SegmentSummary:
    """Check every entry of the segment at `path`."""
    reader = ValueSegmentReader(fs, path)
    count = entry_bytes = lsn_max = 0
    for entry in reader.entries():
        count += 1
        entry_bytes += entry.pointer.entry_bytes
        lsn_max = max(lsn_max, entry.lsn)
    assert reader.ending is not None
    return SegmentSummary(count, entry_bytes, lsn_max, reader.sealed, reader.ending)
