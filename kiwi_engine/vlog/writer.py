"""Writing the value log (shell; the log thread).

A segment is made when the first value needs it, so a server without large values has none. Each
process begins a segment of its own: what an earlier one left behind its last synced entry is never
written over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from kiwi_engine.errors import EnginePoisonedError
from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.fs.read_ahead import is_zero_from
from kiwi_engine.fs.segment_file import (
    create_segment,
    refusing_when_full,
    remove_unfinished,
    reserve,
)
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.vlog.compression import Compressor
from kiwi_engine.vlog.format import (
    ENTRY_HEADER_BYTES,
    FLAG_SEAL,
    FLAG_ZSTD,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    VLOG,
    Pointer,
    encode_entry_header,
)

# While the log is small, a segment is complete at this part of it, but not below these bytes.
_SEGMENTS_MIN: Final = 24
_SMALL_SEGMENT_BYTES: Final = 8 << 20


class ValueLogSettings(msgspec.Struct, frozen=True):
    """Run-time settings of the value log.

    `segment_bytes`: a segment is complete at this size, in a small log earlier (`full_bytes`).
    `allocate_bytes`: disk space is taken in such steps, so that a full disk shows before a value
    is torn, and a crash leaves at most one step unused.
    """

    segment_bytes: int = 256 << 20
    allocate_bytes: int = 8 << 20
    compression: bool = True

    def __post_init__(self) -> None:
        assert self.segment_bytes > HEADER_BYTES
        assert self.allocate_bytes > 0


class ValueLogFacts(msgspec.Struct, frozen=True):
    """What the value log holds. The byte counts after `disk_bytes` are since it was opened."""

    segments: int
    active_segment: int
    disk_bytes: int
    values: int
    raw_bytes: int
    stored_bytes: int
    compressed: int
    rotations: int
    failure: str


class _Stored(NamedTuple):
    """An entry as it will lie in the segment."""

    key: bytes
    stored: bytes
    raw_bytes: int
    flags: int


def full_bytes(segment_bytes: int, log_bytes: int) -> int:
    """The size at which a segment is complete, beside `log_bytes` in other segments (pure).

    A segment is collected as a whole, and is on the disk twice then: in a small log small ones keep
    that a small part of it.
    """
    return min(segment_bytes, max(_SMALL_SEGMENT_BYTES, log_bytes // _SEGMENTS_MIN))


class ValueLogWriter:
    """The value log in one directory, which must exist durably and belong to this process."""

    def __init__(self, fs: FileSystem, directory: str, settings: ValueLogSettings) -> None:
        """Use `ValueLogWriter.open`."""
        self._fs = fs
        self._directory = directory
        self._settings = settings
        self._compressor = Compressor(settings.compression)
        self._file: File | None = None
        self._number = 0
        self._allocated = 0
        self._full_bytes = settings.segment_bytes
        self._offset = self._synced_offset = 0
        # Replaced as a whole, because any thread may read it.
        self._durable_part = (0, 0)
        self._sizes: dict[int, int] = {}
        self._next_number = 1
        # The newest segment that has a durable entry: its number is never given out again.
        self.durable_segment = 0
        # Any thread sets it: complete the active segment with the next append, for its collection.
        self.rotation_wanted = False
        # The last log record that points into a segment, for those written by this process.
        self._last_lsn = 0
        self._last_lsns: dict[int, int] = {}
        self._values = self._raw_bytes = self._stored_bytes = 0
        self._compressed = self._rotations = 0
        self._failure = ""

    @classmethod
    def open(
        cls,
        fs: FileSystem,
        directory: str,
        settings: ValueLogSettings,
        number_min: int = 1,
    ) -> ValueLogWriter:
        """Write behind the segments that exist; those that never got an entry are removed.

        What earlier processes wrote is durable when this returns. `number_min` keeps the number of
        a removed segment from being used again.
        """
        writer = cls(fs, directory, settings)
        remove_unfinished(fs, directory)
        numbers = VLOG.numbers(fs.list_directory(directory))
        writer._next_number = max([number_min, *(number + 1 for number in numbers)])
        if numbers:
            writer._settle_last(numbers[-1])
        for number in VLOG.numbers(fs.list_directory(directory)):
            writer._sizes[number] = fs.size(VLOG.path(directory, number))
        writer.durable_segment = max(writer._sizes, default=0)
        return writer

    @property
    def dirty(self) -> bool:
        """Whether `sync` has something to do."""
        return self._offset != self._synced_offset

    @property
    def active_segment(self) -> int:
        """The number of the segment being written; 0 before the first value."""
        return self._number if self._file else 0

    @property
    def durable_part(self) -> tuple[int, int]:
        """Any thread: the segment being written, and how many of its bytes are durable.

        (0, 0) where there is none. Ask before `segments`, which knows it once it is sealed.
        """
        return self._durable_part

    def append(self, entries: Sequence[tuple[bytes, bytes]], lsn: int) -> list[Pointer]:
        """Write (key, value) `entries`, which log record `lsn` will point to, with one call.

        Durable after the next `sync`. `DiskFullError`: nothing was written, try again later.
        `OSError`: the log is poisoned, and each later call raises `EnginePoisonedError`.
        """
        self._refuse_poisoned()
        stored = [self._store(key, value) for key, value in entries]
        total = sum(ENTRY_HEADER_BYTES + len(s.key) + len(s.stored) for s in stored)
        file = self._room_for(total)
        buffers: list[bytes] = []
        pointers: list[Pointer] = []
        offset = self._offset
        for key, value, raw_bytes, flags in stored:
            header = encode_entry_header(
                self._number, key, value, raw_bytes, flags, lsn, self._synced_offset
            )
            buffers += (header, key, value)
            entry_bytes = ENTRY_HEADER_BYTES + len(key) + len(value)
            pointers.append(Pointer(self._number, offset, entry_bytes, raw_bytes))
            offset += entry_bytes
        # What a full disk cut off has no pointer; the next entries are written over it.
        with self._poisoning("writing"), refusing_when_full(file.path, total):
            file.pwritev(buffers, self._offset)
        self._offset = offset
        self._last_lsn = lsn
        self._count(stored, total)
        return pointers

    def sync(self) -> None:
        """Make everything appended durable. An `OSError` poisons the log: it is never retried."""
        self._refuse_poisoned()
        if self._file and self.dirty:
            self._sync(self._file)

    def facts(self) -> ValueLogFacts:
        """For statistics; any thread."""
        active = self.active_segment
        sizes = dict(self._sizes)
        return ValueLogFacts(
            segments=len(sizes) + (active > 0),
            active_segment=active,
            disk_bytes=sum(sizes.values()) + (self._allocated if active else 0),
            values=self._values,
            raw_bytes=self._raw_bytes,
            stored_bytes=self._stored_bytes,
            compressed=self._compressed,
            rotations=self._rotations,
            failure=self._failure,
        )

    @property
    def segment_bytes(self) -> int:
        """The size at which a segment of a large log is complete."""
        return self._settings.segment_bytes

    @property
    def stored_bytes(self) -> int:
        """Bytes of entries written since the log was opened; any thread."""
        return self._stored_bytes

    @property
    def active_bytes(self) -> int:
        """Bytes of entries in the segment being written; any thread."""
        return max(0, self._offset - HEADER_BYTES)

    def segments(self) -> dict[int, int]:
        """Size in bytes of each segment that is no longer written to, by number; any thread."""
        return dict(self._sizes)

    def last_lsn(self, number: int) -> int:
        """The last log record that may point into a complete segment; any thread.

        0 for segments of earlier processes, whose records were all found when the log was opened.
        """
        return self._last_lsns.get(number, 0)

    def forget(self, number: int) -> None:
        """The segment's file was removed by garbage collection; any thread."""
        self._sizes.pop(number, None)
        self._last_lsns.pop(number, None)

    def close(self) -> None:
        """Seal the segment, so that damage in it can never be taken for a torn tail."""
        file = self._file
        if file and not self._failure:
            self._seal(file)
        elif file:
            file.close()
            self._file = None

    # -- inside

    def _refuse_poisoned(self) -> None:
        if self._failure:
            raise EnginePoisonedError(self._failure)

    @contextlib.contextmanager
    def _poisoning(self, action: str) -> Iterator[None]:
        """An `OSError` inside is the end of this log. (`DiskFullError` is none.)"""
        try:
            yield
        except OSError as failure:
            self._failure = f"{action} the value log failed: {failure}"
            raise

    def _store(self, key: bytes, value: bytes) -> _Stored:
        assert 0 < len(key) <= KEY_BYTES_MAX
        assert len(value) <= VALUE_BYTES_MAX
        compressed = self._compressor.compress(value)
        if compressed is None:
            return _Stored(key, value, len(value), 0)
        return _Stored(key, compressed, len(value), FLAG_ZSTD)

    def _count(self, stored: Sequence[_Stored], stored_bytes: int) -> None:
        self._values += len(stored)
        self._stored_bytes += stored_bytes
        self._raw_bytes += sum(s.raw_bytes for s in stored)
        self._compressed += sum(s.flags & FLAG_ZSTD for s in stored)

    def _room_for(self, length: int) -> File:
        """The active file, with disk space for `length` bytes and a seal behind its end."""
        full = self._offset + length > self._full_bytes or self.rotation_wanted
        if self._file and full and self._offset > HEADER_BYTES:
            self._seal(self._file)
            self._rotations += 1
        file = self._file or self._begin_segment()
        needed = self._offset + length + ENTRY_HEADER_BYTES
        if needed > self._allocated:
            needed = max(needed, self._allocated + self._settings.allocate_bytes)
            with self._poisoning("reserving space for"):
                reserve(file, needed)
            self._allocated = needed
        return file

    def _begin_segment(self) -> File:
        settings = self._settings
        allocated = max(HEADER_BYTES, min(settings.allocate_bytes, settings.segment_bytes))
        with self._poisoning("beginning a segment of"):
            file = create_segment(self._fs, self._directory, VLOG, self._next_number, allocated)
        self._full_bytes = full_bytes(settings.segment_bytes, sum(self._sizes.values()))
        self._file, self._number = file, self._next_number
        self._next_number += 1
        self._offset = self._synced_offset = HEADER_BYTES
        self._allocated = allocated
        self.rotation_wanted = False
        self._durable_part = (self._number, HEADER_BYTES)
        return file

    def _sync(self, file: File) -> None:
        with self._poisoning("syncing"):
            file.datasync()
        self._synced_offset = self._offset
        self.durable_segment = self._number
        self._durable_part = (self._number, self._offset)

    def _seal(self, file: File) -> None:
        """Finish the active segment: sync it, seal it, give back the space behind the seal."""
        if self.dirty:
            self._sync(file)
        number, end = self._number, self._offset
        seal = encode_entry_header(number, b"", b"", 0, FLAG_SEAL, 0, end)
        with self._poisoning("sealing a segment of"):
            file.pwritev((seal,), end)
            file.truncate(end + ENTRY_HEADER_BYTES)
            file.datasync()
        file.close()
        self._last_lsns[number] = self._last_lsn
        self._sizes[number] = end + ENTRY_HEADER_BYTES
        # Behind the line above: who reads this before `segments` misses none.
        self._durable_part = (0, 0)
        self._file = None
        self._offset = self._synced_offset = self._allocated = 0

    def _settle_last(self, number: int) -> None:
        """Make durable what the last process wrote, or remove its segment if that is nothing."""
        path = VLOG.path(self._directory, number)
        file = self._fs.open(path, writable=True)
        try:
            unused = is_zero_from(file, HEADER_BYTES)
            if not unused:
                file.datasync()
                file.drop_cache()
        finally:
            file.close()
        if unused:
            self._fs.remove(path)
            self._fs.sync_directory(self._directory)
