"""Reading the commit log as a whole, and judging how it ends (shell; one thread).

Segments are consecutive numbers and LSNs are dense across them, so a missing segment or record
shows. Only the last segment that holds records may end torn; whether a damaged place there is a
torn tail or corruption, the `synced` claims behind it say (see `wal.format`). Reads only: a torn
tail is cleared by `wal.repair`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import (
    HEADER_BYTES,
    CleanEnd,
    Corruption,
    Ending,
    TornTail,
)
from kiwi_engine.wal.format import WAL, Record
from kiwi_engine.wal.segment import SegmentReader, peek_first_lsn, was_begun


class SegmentSpan(NamedTuple):
    """A full segment: the LSNs it holds, both included."""

    number: int
    first_lsn: int
    last_lsn: int
    size_bytes: int


class LogPosition(NamedTuple):
    """Where the log goes on. `segment` 0 means that there is no log yet.

    `synced_offset` is how much of the segment some record calls durable; what lies between it and
    `offset` was read, but perhaps from the page cache only. `last_lsn` 0: no records at all.
    `first_lsn` is where the segment begins, or will begin.
    """

    next_lsn: int
    last_lsn: int
    first_lsn: int
    segment: int
    offset: int
    synced_offset: int
    full: tuple[SegmentSpan, ...]
    prepared: tuple[int, ...]

    def raised_to(self, lsn: int) -> LogPosition:
        """The same place, with the next LSN at least `lsn` (what the index has seen, plus 1)."""
        return self._replace(next_lsn=max(self.next_lsn, lsn))


EMPTY_LOG = LogPosition(1, 0, 1, 0, HEADER_BYTES, HEADER_BYTES, (), ())


class LogReader:
    """One pass over the log in `directory`.

    `ending`, and for anything but corruption `position`, are set once `records` is exhausted.
    """

    def __init__(self, fs: FileSystem, directory: str) -> None:
        self._fs = fs
        self._directory = directory
        self.numbers = WAL.numbers(fs.list_directory(directory))
        self.ending: Ending | None = None
        self.position: LogPosition | None = None
        # By segment, where a pass has found an intact first record: it stays one.
        self._first_lsns: dict[int, int] = {}

    def records(self, from_lsn: int = 0) -> Iterator[Record]:
        """The records with LSNs of `from_lsn` or more, ascending.

        Older segments are skipped unread but for their first record. Raises `LayoutError` where
        another format version wrote the log; damage is never raised, it is the `ending`.
        """
        self.ending = self.position = None
        try:
            yield from self._read(from_lsn)
        except CorruptionError as damage:
            self.ending = Corruption(damage.path, damage.offset, damage.reason)

    def _read(self, from_lsn: int) -> Iterator[Record]:
        if not self.numbers:
            self.ending, self.position = CleanEnd(self._directory, 0), EMPTY_LOG
            return
        self._refuse_gaps()
        written = self._written()
        first_lsns = [self._first_lsn(number) for number in written]
        begin = max((i for i, lsn in enumerate(first_lsns) if 0 < lsn <= from_lsn), default=0)
        lsn = 0
        for index in range(begin, len(written) - 1):
            with self._open(written[index]) as segment:
                for record in segment.records(lsn):
                    lsn = record.lsn + 1
                    if record.lsn >= from_lsn:
                        yield record
                self._require_continuation(segment, lsn, first_lsns, index)
        with self._open(written[-1]) as segment:
            synced = HEADER_BYTES
            for record in segment.records(lsn):
                lsn, synced = record.lsn + 1, record.synced
                if record.lsn >= from_lsn:
                    yield record
            self.ending = judge_end(segment, lsn)
            if not isinstance(self.ending, Corruption):
                self.position = self._position(written, first_lsns, segment, lsn, synced)

    def _path(self, number: int) -> str:
        return WAL.path(self._directory, number)

    def _open(self, number: int) -> SegmentReader:
        return SegmentReader(self._fs, self._path(number))

    def _first_lsn(self, number: int) -> int:
        """0 where the segment begins with no intact record."""
        known = self._first_lsns.get(number, 0)
        if not known:
            known = self._first_lsns[number] = peek_first_lsn(self._fs, self._path(number))
        return known

    def _refuse_gaps(self) -> None:
        for before, after in zip(self.numbers, self.numbers[1:], strict=False):
            if after != before + 1:
                raise CorruptionError(self._path(before + 1), 0, "the segment is missing")

    def _written(self) -> list[int]:
        """The segments up to the last that was written to; those behind are prepared, unused."""
        written = list(self.numbers)
        while len(written) > 1 and not was_begun(self._fs, self._path(written[-1])):
            written.pop()
        return written

    def _require_continuation(
        self, segment: SegmentReader, lsn: int, first_lsns: list[int], index: int
    ) -> None:
        """Refuse a segment that ends before the next one begins.

        Where the next one begins with no intact record, it is judged by itself; this one, which
        was complete before that was written to, must then end as it was left.
        """
        following = first_lsns[index + 1]
        if lsn and (following == lsn or (not following and not segment.fault)):
            return
        reason = segment.fault or f"the log breaks off before LSN {lsn or 'unknown'}"
        raise CorruptionError(
            segment.path, segment.end, f"{reason}; the next segment begins with LSN {following}"
        )

    def _position(
        self,
        written: list[int],
        first_lsns: list[int],
        segment: SegmentReader,
        lsn: int,
        synced: int,
    ) -> LogPosition:
        lasts: list[int] = []
        following = first_lsns[-1] or lsn
        for first in reversed(first_lsns[:-1]):
            lasts.insert(0, following - 1)
            following = first or following
        full = tuple(
            SegmentSpan(number, first, last, self._fs.size(self._path(number)))
            for number, first, last in zip(written, first_lsns, lasts, strict=False)
        )
        prepared = tuple(self.numbers[len(written) :])
        next_lsn = lsn or 1
        return LogPosition(
            next_lsn=next_lsn,
            last_lsn=next_lsn - 1,
            first_lsn=first_lsns[-1] or next_lsn,
            segment=segment.number,
            offset=segment.end,
            synced_offset=synced,
            full=full,
            prepared=prepared,
        )


def judge_end(segment: SegmentReader, next_lsn: int) -> Ending:
    """What it means that the last segment's intact records end where they do."""
    unsynced_behind = False
    for found in segment.records_behind(segment.end, max(next_lsn, 1)):
        if found.synced > segment.end:
            reason = segment.fault or "zeros where a record was"
            proof = f"the record at offset {found.offset} shows that it was synced"
            return Corruption(segment.path, segment.end, f"{reason}; {proof}")
        unsynced_behind = True
    if segment.fault or unsynced_behind:
        reason = segment.fault or "unsynced records behind a gap"
        return TornTail(segment.path, segment.end, reason)
    return CleanEnd(segment.path, segment.end)
