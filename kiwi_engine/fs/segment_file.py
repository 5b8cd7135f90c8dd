"""Making segment files, and the space they need (shell; the caller's thread).

A new segment is made under a temporary name and renamed once its content is durable: a crash
leaves either no segment or a whole one.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Final

from kiwi_engine.errors import DiskFullError
from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.fs.segment_format import SegmentKind

PREPARING_SUFFIX: Final = ".preparing"
_ZEROS: Final = bytes(1 << 20)
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextlib.contextmanager
def refusing_when_full(path: str, length: int) -> Iterator[None]:
    """Turn "no space left" into `DiskFullError`; only around what may be left half done."""
    try:
        yield
    except OSError as failure:
        if failure.errno in _DISK_FULL:
            raise DiskFullError(f"no room for {length} bytes of {path}") from failure
        raise


def reserve(file: File, length: int) -> None:
    """Make sure that `length` bytes of `file` have disk blocks; `DiskFullError` if they do not."""
    with refusing_when_full(file.path, length):
        file.allocate(length)


def zero_fill(file: File, begin: int, end: int, slice_bytes: int) -> None:
    """Write zeros to [begin, end) and make them durable.

    One sync a slice: a single large one would stall the commits' syncs behind it.
    """
    while begin < end:
        stop = min(begin + slice_bytes, end)
        while begin < stop:
            length = min(stop - begin, len(_ZEROS))
            file.pwritev((_ZEROS[:length],), begin)
            begin += length
        file.datasync()


def create_segment(
    fs: FileSystem,
    directory: str,
    kind: SegmentKind,
    number: int,
    segment_bytes: int,
    zero_slice_bytes: int = 0,
) -> File:
    """A new durable segment of `segment_bytes` preallocated bytes, open for writing.

    It is zero-filled where `zero_slice_bytes` is given: a later `datasync` of overwritten blocks
    has no file metadata to write. `DiskFullError` leaves nothing behind.
    """
    temporary = kind.path(directory, number) + PREPARING_SUFFIX
    _remove_if_present(fs, temporary)
    try:
        with refusing_when_full(temporary, segment_bytes):
            _fill_new(
                fs.create(temporary), kind.encode_header(number), segment_bytes, zero_slice_bytes
            )
    except DiskFullError:
        _remove_if_present(fs, temporary)
        raise
    return name_segment(fs, directory, kind, number, temporary)


def _remove_if_present(fs: FileSystem, path: str) -> None:
    if fs.exists(path):
        fs.remove(path)


def _fill_new(file: File, header: bytes, segment_bytes: int, zero_slice_bytes: int) -> None:
    try:
        file.allocate(segment_bytes)
        file.pwritev((header,), 0)
        if zero_slice_bytes:
            zero_fill(file, len(header), segment_bytes, zero_slice_bytes)
        file.datasync()
    finally:
        file.close()


def name_segment(
    fs: FileSystem, directory: str, kind: SegmentKind, number: int, source: str
) -> File:
    """Durably rename `source`, whose content is durable, to segment `number` and open it."""
    path = kind.path(directory, number)
    fs.rename(source, path)
    fs.sync_directory(directory)
    return fs.open(path, writable=True)


def remove_unfinished(fs: FileSystem, directory: str) -> None:
    """Drop what a crash left of segments that were being made."""
    for name in fs.list_directory(directory):
        if name.endswith(PREPARING_SUFFIX):
            fs.remove(f"{directory}/{name}")
