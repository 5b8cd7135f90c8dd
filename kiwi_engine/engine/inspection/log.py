"""Reading the commit log for a report (shell; reads only, bounded memory)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from kiwi_engine.commit.changes import Changes, decode_changes
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.inspection.report import Findings, LogReport, ending_word
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.read_ahead import CHUNK_BYTES
from kiwi_engine.fs.segment_format import Corruption, Ending, TornTail
from kiwi_engine.wal.format import (
    RECORD_HEADER_BYTES,
    RECYCLED,
    TERMINATOR,
    WAL,
    decode_record_header,
)
from kiwi_engine.wal.reader import LogReader


class LogInspector:
    """One pass over the log in `directory`, and a second one for its pointers where wanted."""

    def __init__(self, fs: FileSystem, directory: str, progress: Progress) -> None:
        self._fs = fs
        self._directory = directory
        self._progress = progress
        self._names = fs.list_directory(directory)
        self._sizes = {
            number: fs.size(WAL.path(directory, number)) for number in WAL.numbers(self._names)
        }
        self._reader = LogReader(fs, directory)
        self._records = self._record_bytes = self._first_lsn = self._last_lsn = 0
        self.ending: Ending

    @property
    def first_segment(self) -> int:
        """The number of the first segment file; 0 if there is none."""
        return min(self._sizes, default=0)

    def inspect(self, findings: Findings) -> LogReport:
        """Read everything, note what is wrong, and count."""
        self._progress.start("commit log", sum(self._sizes.values()))
        damage = self._read_records()
        assert self._reader.ending is not None, "the reader was exhausted"
        self.ending = damage or self._reader.ending
        word = ending_word(self.ending)
        if word != "clean":
            findings.add(word, *self.ending)
        self._note_odd_sizes(findings)
        return self._report()

    def _read_records(self) -> Corruption | None:
        """Count the records, up to the first whose payload makes no sense (which is returned)."""
        totals = accumulate(self._sizes.values(), initial=0)
        before = dict(zip(self._sizes, totals, strict=False))
        damage: Corruption | None = None
        for record in self._reader.records():
            self._records += 1
            self._record_bytes += record.end - record.offset
            self._first_lsn = self._first_lsn or record.lsn
            self._last_lsn = record.lsn
            self._progress.reach(before[WAL.number(record.path)] + record.end)
            try:
                decode_changes(record.payload)
            except ValueError as error:
                reason = f"LSN {record.lsn}: {error}"
                damage = damage or Corruption(record.path, record.offset, reason)
        return damage

    def _report(self) -> LogReport:
        position = self._reader.position
        prepared = len(position.prepared) if position else 0
        return LogReport(
            segments=len(self._sizes) - prepared,
            prepared_segments=prepared,
            recycled_segments=len(RECYCLED.numbers(self._names)),
            bytes=sum(self._sizes.values()),
            record_bytes=self._record_bytes,
            records=self._records,
            first_lsn=self._first_lsn,
            last_lsn=self._last_lsn,
            torn_bytes=torn_bytes(self._fs, self.ending),
            ending=ending_word(self.ending),
        )

    def _note_odd_sizes(self, findings: Findings) -> None:
        """A segment is as long as the others, or longer where one record needed that."""
        if len(self._sizes) < 2:
            return
        usual = Counter(self._sizes.values()).most_common(1)[0][0]
        for number, size in self._sizes.items():
            if size < usual:
                path = WAL.path(self._directory, number)
                findings.add("note", path, size, f"{usual - size} bytes shorter than its like")

    def changes(self, from_lsn: int) -> Iterator[tuple[int, Changes]]:
        """(LSN, changes) of the records from `from_lsn` on; reads the log once more."""
        for record in LogReader(self._fs, self._directory).records(from_lsn):
            yield record.lsn, decode_changes(record.payload)


def torn_bytes(fs: FileSystem, ending: Ending) -> int:
    """How long the cut-off write of a torn tail is, as far as can be told: it may be stale bytes.

    The length that its header claims, or else what lies before the next zeros.
    """
    if not isinstance(ending, TornTail):
        return 0
    file = fs.open(ending.path, writable=False)
    try:
        window = file.pread(CHUNK_BYTES, ending.offset)
        rest = file.size() - ending.offset
    finally:
        file.close()
    if len(window) >= RECORD_HEADER_BYTES:
        header = decode_record_header(window)
        if header.segment == WAL.number(ending.path):
            return min(RECORD_HEADER_BYTES + header.length, rest)
    zeros_at = window.find(TERMINATOR)
    return len(window) if zeros_at < 0 else zeros_at
