"""A look at a few entries of a segment, at random places (shell; one thread).

For an estimate of how much of a segment is dead where nobody counted. A place is a random offset:
the next intact entry behind it is found by the segment's number in its header, and proven by its
checksum, so a look costs the same in a segment of any size.
"""

from __future__ import annotations

from random import Random
from typing import Final

from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.fs.read_ahead import ReadAhead, find_all
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.vlog.format import (
    ENTRY_HEADER_BYTES,
    FLAG_SEAL,
    SEGMENT_FIELD_OFFSET,
    VLOG,
    Pointer,
)
from kiwi_engine.vlog.segment import EntryScan

# An entry may be long; how far to look for the next one.
_SEARCH_BYTES_MAX: Final = 4 << 20
_CHUNK_BYTES: Final = 1 << 16

# A key and where its value lies.
Place = tuple[bytes, Pointer]


def sample_entries(
    fs: FileSystem, path: str, random: Random, places: int, run_entries: int
) -> list[list[Place]]:
    """For each of `places` random offsets, up to `run_entries` entries in a row.

    An empty list is an offset behind which nothing was ever written. Offsets from which no entry is
    found within some megabytes are left out.
    """
    file = fs.open(path, writable=False)
    try:
        sampler = _Sampler(file, path, run_entries)
        # Up to the seal's own place, if there is a seal.
        end = max(HEADER_BYTES + 1, file.size() - ENTRY_HEADER_BYTES + 1)
        offsets = [random.randrange(HEADER_BYTES, end) for _ in range(places)]
        runs = [sampler.run_behind(offset) for offset in offsets]
    finally:
        file.close()
    return [run for run in runs if run is not None]


class _Sampler:
    """An open segment."""

    def __init__(self, file: File, path: str, run_entries: int) -> None:
        self._file = file
        self._number = VLOG.number(path)
        self._run_entries = run_entries
        self._scan = EntryScan(ReadAhead(file, _CHUNK_BYTES), path, self._number, file.size())

    def run_behind(self, offset: int) -> list[Place] | None:
        """The entries that follow `offset`; those at the beginning where it lies in the last."""
        begin = self._find_entry(offset)
        if begin is None:
            return None
        run = self._run_from(begin) if begin else []
        if not run and begin:
            run = self._run_from(HEADER_BYTES)
        return run

    def _find_entry(self, offset: int) -> int | None:
        """Where the next entry or seal begins; 0 if there is none, None if it is too far away."""
        limit = offset + _SEARCH_BYTES_MAX
        pattern = self._number.to_bytes(4, "little")
        for at in find_all(self._file, pattern, offset + SEGMENT_FIELD_OFFSET, limit):
            begin = at - SEGMENT_FIELD_OFFSET
            if not isinstance(self._scan.entry_at(begin), str):
                return begin
        return None if limit < self._file.size() else 0

    def _run_from(self, begin: int) -> list[Place]:
        run: list[Place] = []
        while len(run) < self._run_entries:
            header = self._scan.entry_at(begin)
            if isinstance(header, str) or header.flags & FLAG_SEAL:
                break
            key = self._scan.key_at(begin, header)
            run.append((key, Pointer(self._number, begin, header.entry_bytes, header.raw_bytes)))
            begin += header.entry_bytes
        return run
