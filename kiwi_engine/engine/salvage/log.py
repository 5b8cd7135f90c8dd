"""The records of a damaged commit log whose place in history is proven (shell; reads only).

`wal.reader.LogReader` reads as a start does and stops at any damage. A salvage needs the records
from one LSN on, and damage before that does not matter to it; so it begins at the last segment that
begins early enough, and steps over a damaged record that it does not need where an intact one with
the next LSN stands exactly behind it. A record is only taken if its checksum is right and its LSN
follows the one before: what is returned is a piece of history without a hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kiwi_engine.commit.changes import Changes, decode_changes
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.salvage.report import RecordsBehind
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import HEADER_BYTES, CleanEnd, Corruption, Ending
from kiwi_engine.wal.format import RECORD_HEADER_BYTES, WAL, Record, decode_record_header
from kiwi_engine.wal.reader import judge_end
from kiwi_engine.wal.segment import SegmentReader, peek_first_lsn, was_begun


class SurvivingLog:
    """The log in `directory`. `first_lsn` is that of its first intact segment start, 0 if none.

    After `records` is exhausted: `last_lsn`, up to which history is known; `end_lsn`, that of the
    last record met (0 if none); `ending`, why not further; `skipped`, damaged records that were not
    needed.
    """

    def __init__(self, fs: FileSystem, directory: str, progress: Progress) -> None:
        self._fs = fs
        self._directory = directory
        self._progress = progress
        self._numbers = WAL.numbers(fs.list_directory(directory))
        self._first_number = min(self._numbers, default=0)
        while self._numbers and not self._was_begun(self._numbers[-1]):
            self._numbers.pop()
        self._sizes = {number: fs.size(self._path(number)) for number in self._numbers}
        self._firsts = {number: self._peek(number) for number in self._numbers}
        self.first_lsn = min(filter(None, self._firsts.values()), default=0)
        self.last_lsn = self.end_lsn = 0
        self.ending: Ending = CleanEnd(directory, 0)
        self.skipped: list[Corruption] = []
        # The place in `_numbers` and the offset where reading stopped.
        self._stopped = (0, HEADER_BYTES - 1)

    def is_unbroken(self) -> bool:
        """Whether every record from the first to the end is intact; reads them all."""
        self.read_through(self.first_lsn or 1)
        return not isinstance(self.ending, Corruption)

    def read_through(self, from_lsn: int) -> int:
        """`last_lsn` of `records(from_lsn)`; reads them all."""
        for _ in self.records(from_lsn):
            pass
        return self.last_lsn

    def records(self, from_lsn: int) -> Iterator[tuple[int, Changes]]:
        """(LSN, changes) from `from_lsn` on, without a hole. Damage is never raised.

        Raises `LayoutError` where another format version wrote the log.
        """
        self._progress.start("commit log", sum(self._sizes.values()))
        self.last_lsn, self.end_lsn, self.skipped = from_lsn - 1, 0, []
        self._stopped = (0, HEADER_BYTES - 1)
        begin = self._begin(from_lsn)
        if begin is None:
            self.ending = self._no_begin(from_lsn)
            return
        lsn = self._firsts[self._numbers[begin]] or from_lsn
        for place in range(begin, len(self._numbers)):
            path = self._path(self._numbers[place])
            self._stopped = (place, HEADER_BYTES - 1)
            try:
                with SegmentReader(self._fs, path) as segment:
                    for record in self._records_of(segment, lsn, from_lsn):
                        changes = _changes_of(record)
                        self._stopped = (place, record.end)
                        lsn = record.lsn + 1
                        self.end_lsn = record.lsn
                        if record.lsn >= from_lsn:
                            self.last_lsn = record.lsn
                            yield record.lsn, changes
                    ending = self._judge(segment, lsn, place)
            except CorruptionError as damage:
                ending = Corruption(damage.path, damage.offset, damage.reason)
            except OSError as failure:
                ending = Corruption(path, max(self._stopped[1], 0), str(failure))
            if ending is not None:
                self.ending = ending
                return

    def records_behind(self) -> RecordsBehind:
        """The intact records behind the place where `records` stopped."""
        count = first = last = 0
        for place in range(self._stopped[0], len(self._numbers)):
            offset = self._stopped[1] if place == self._stopped[0] else HEADER_BYTES - 1
            for lsn in self._lsns_behind(self._numbers[place], offset):
                if lsn > self.last_lsn:
                    count += 1
                    first, last = min(first or lsn, lsn), max(last, lsn)
        return RecordsBehind(count, first, last)

    def _lsns_behind(self, number: int, offset: int) -> Iterator[int]:
        path = self._path(number)
        with suppress(CorruptionError, OSError), SegmentReader(self._fs, path) as segment:
            yield from (found.lsn for found in segment.records_behind(offset))

    def _path(self, number: int) -> str:
        return WAL.path(self._directory, number)

    def _peek(self, number: int) -> int:
        with suppress(CorruptionError, OSError):
            return peek_first_lsn(self._fs, self._path(number))
        return 0

    def _was_begun(self, number: int) -> bool:
        with suppress(CorruptionError, OSError):
            return was_begun(self._fs, self._path(number))
        return True

    def _begin(self, from_lsn: int) -> int | None:
        """The place of the segment to begin with, None if there is none."""
        early = [
            place
            for place, number in enumerate(self._numbers)
            if 0 < self._firsts[number] <= from_lsn
        ]
        if early:
            return early[-1]
        return 0 if self._numbers and not self.first_lsn else None

    def _no_begin(self, from_lsn: int) -> Ending:
        if not self._first_number and from_lsn > 1:
            return Corruption(self._directory, 0, "there is no log, but an engine always has one")
        if not self._numbers:
            if self._first_number > 1 and from_lsn == 1:
                reason = "the log has given up records, and nothing else has them"
                return Corruption(self._path(self._first_number), 0, reason)
            return CleanEnd(self._directory, 0)
        reason = f"records {from_lsn} to {self.first_lsn - 1} are missing"
        return Corruption(self._path(self._numbers[0]), 0, reason)

    def _records_of(self, segment: SegmentReader, lsn: int, from_lsn: int) -> Iterator[Record]:
        """The records of one segment, those before `from_lsn` with holes where there is damage."""
        before = sum(self._sizes[number] for number in self._numbers if number < segment.number)
        offset = HEADER_BYTES
        while offset:
            for record in segment.records(lsn, offset):
                self._progress.reach(before + record.end)
                lsn = record.lsn + 1
                yield record
            offset = 0
            if segment.fault and lsn < from_lsn:
                damage = Corruption(segment.path, segment.end, segment.fault)
                offset = self._behind_damaged(segment, lsn)
                if offset:
                    self.skipped.append(damage)
                    lsn += 1

    def _behind_damaged(self, segment: SegmentReader, lsn: int) -> int:
        """Where the record after the damaged one with `lsn` stands; 0 if that is not certain.

        The damaged header is only believed if it leads to an intact record with the next LSN.
        """
        file = self._fs.open(segment.path, writable=False)
        try:
            data = file.pread(RECORD_HEADER_BYTES, segment.end)
        finally:
            file.close()
        if len(data) < RECORD_HEADER_BYTES:
            return 0
        header = decode_record_header(data)
        if (header.segment, header.lsn) != (segment.number, lsn):
            return 0
        end = segment.end + RECORD_HEADER_BYTES + header.length
        with SegmentReader(self._fs, segment.path) as probe:
            return end if next(probe.records(lsn + 1, end), None) else 0

    def _judge(self, segment: SegmentReader, lsn: int, place: int) -> Ending | None:
        """How the log ends in `segment`; None if it goes on in the next one."""
        if place + 1 == len(self._numbers):
            return judge_end(segment, lsn)
        number = self._numbers[place + 1]
        following = self._firsts[number]
        if following == lsn:
            return None
        if number != segment.number + 1:
            return Corruption(self._path(segment.number + 1), 0, "the segment is missing")
        if not following and not segment.fault:
            # It was complete before the next one was begun, which begins with damage.
            return None
        reason = segment.fault or f"the log breaks off before LSN {lsn}"
        following_words = f"the next segment begins with LSN {following or 'unknown'}"
        return Corruption(segment.path, segment.end, f"{reason}; {following_words}")


def _changes_of(record: Record) -> Changes:
    """`CorruptionError` if the payload, although its checksum is right, makes no sense."""
    try:
        return decode_changes(record.payload)
    except ValueError as error:
        raise CorruptionError(record.path, record.offset, str(error)) from error
