"""Following pointers into the value log (shell; any number of threads).

A value is returned only if checksum, key and lengths are those that were written. Everything else
is a `CorruptionError`, a missing segment too: what is pointed to was promised, it is never "not
found".
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.fs.read_ahead import CHUNK_BYTES, ReadAhead
from kiwi_engine.vlog.compression import decompress
from kiwi_engine.vlog.format import (
    ENTRY_HEADER_BYTES,
    FLAG_SEAL,
    FLAG_ZSTD,
    FLAGS_KNOWN,
    VLOG,
    EntryHeader,
    Pointer,
    checksum_seed,
    decode_entry_header,
    entry_checksum,
)
from kiwi_engine.vlog.segment import (
    Entry,
    SegmentSummary,
    ValueSegmentReader,
    verify_segment,
)

FILES_MAX: Final = 64


class _OpenFile:
    """A cached file; closed when it has left the cache and its last reader is done."""

    __slots__ = ("cached", "file", "readers")

    def __init__(self, file: File) -> None:
        self.file = file
        self.readers = 0
        self.cached = True


class ValueLogReader:
    """Reads values of the log in `directory`, also those written since it was opened."""

    def __init__(self, fs: FileSystem, directory: str, files_max: int = FILES_MAX) -> None:
        self._fs = fs
        self._directory = directory
        self._files_max = files_max
        # Guards the cache and its counts; not held while a file is read.
        self._lock = threading.Lock()
        self._files: OrderedDict[int, _OpenFile] = OrderedDict()

    def read(self, key: bytes, pointer: Pointer) -> bytes:
        """The value that `pointer` and `key` were returned for; else `CorruptionError`."""
        path = VLOG.path(self._directory, pointer.segment)
        opened = self._acquire(pointer.segment, path, pointer.offset)
        try:
            entry = opened.file.pread(pointer.entry_bytes, pointer.offset)
        finally:
            self._release(opened)
        try:
            return decode_value(entry, key, pointer)
        except ValueError as damage:
            raise CorruptionError(path, pointer.offset, str(damage)) from None

    def check(self, key: bytes, pointer: Pointer) -> None:
        """As `read`, but the value is only looked at, a window at a time."""
        if pointer.entry_bytes <= CHUNK_BYTES:
            self.read(key, pointer)
            return
        path = VLOG.path(self._directory, pointer.segment)
        opened = self._acquire(pointer.segment, path, pointer.offset)
        try:
            _check_large(ReadAhead(opened.file), key, pointer)
        except ValueError as damage:
            raise CorruptionError(path, pointer.offset, str(damage)) from None
        finally:
            self._release(opened)

    def forget(self, segment: int) -> None:
        """Drop the cached file of a removed segment, so that its space is given back."""
        with self._lock:
            opened = self._files.pop(segment, None)
            if opened:
                self._drop(opened)

    def close(self) -> None:
        """Close all files that no reader is using; those are closed by their readers."""
        with self._lock:
            while self._files:
                self._drop(self._files.popitem()[1])

    def _acquire(self, segment: int, path: str, offset: int) -> _OpenFile:
        with self._lock:
            opened = self._files.get(segment)
            if opened is None:
                try:
                    opened = _OpenFile(self._fs.open(path, writable=False))
                except FileNotFoundError:
                    raise CorruptionError(path, offset, "the segment is missing") from None
                self._files[segment] = opened
                if len(self._files) > self._files_max:
                    self._drop(self._files.popitem(last=False)[1])
            else:
                self._files.move_to_end(segment)
            opened.readers += 1
            return opened

    def _release(self, opened: _OpenFile) -> None:
        with self._lock:
            opened.readers -= 1
            if not opened.readers and not opened.cached:
                opened.file.close()

    def _drop(self, opened: _OpenFile) -> None:
        """Take a file out of the cache. The lock is held."""
        opened.cached = False
        if not opened.readers:
            opened.file.close()


def decode_value(entry: bytes, key: bytes, pointer: Pointer) -> bytes:
    """The value in an entry's bytes; `ValueError` says what is wrong with them (pure)."""
    if len(entry) != pointer.entry_bytes or len(entry) < ENTRY_HEADER_BYTES:
        raise ValueError("the file ends inside the entry")
    header = decode_entry_header(entry)
    value_at = ENTRY_HEADER_BYTES + header.key_bytes
    _check_entry(header, entry_checksum(entry), entry[ENTRY_HEADER_BYTES:value_at], key, pointer)
    if header.flags & FLAG_ZSTD:
        return decompress(memoryview(entry)[value_at:], header.raw_bytes)
    return entry[value_at:]


def _check_large(ahead: ReadAhead, key: bytes, pointer: Pointer) -> None:
    """Raises what `decode_value` would, without having the whole entry in memory."""
    head = ahead.read(ENTRY_HEADER_BYTES, pointer.offset)
    if len(head) < ENTRY_HEADER_BYTES:
        raise ValueError("the file ends inside the entry")
    header = decode_entry_header(head)
    body_at, body_bytes = len(head), pointer.entry_bytes - len(head)
    checksum = ahead.checksum(body_bytes, pointer.offset + body_at, checksum_seed(head))
    found_key = ahead.read(len(key), pointer.offset + body_at)
    _check_entry(header, checksum, found_key, key, pointer)


def _check_entry(
    header: EntryHeader, checksum: int, found_key: bytes, key: bytes, pointer: Pointer
) -> None:
    """`ValueError` unless these are the header, checksum and key of what `pointer` means."""
    if header.checksum != checksum:
        raise ValueError("entry checksum mismatch")
    if header.segment != pointer.segment:
        raise ValueError(f"an entry of segment {header.segment}")
    if header.flags & (FLAG_SEAL | ~FLAGS_KNOWN):
        raise ValueError(f"entry flags {header.flags:#x}")
    if header.entry_bytes != pointer.entry_bytes or header.raw_bytes != pointer.raw_bytes:
        raise ValueError("an entry of another length")
    if header.key_bytes != len(key) or found_key != key:
        raise ValueError("an entry of another key")
    if not header.flags & FLAG_ZSTD and header.stored_bytes != header.raw_bytes:
        raise ValueError("an entry of inconsistent lengths")


__all__ = [
    "FILES_MAX",
    "Entry",
    "SegmentSummary",
    "ValueLogReader",
    "ValueSegmentReader",
    "decode_value",
    "verify_segment",
]
