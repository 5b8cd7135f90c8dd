"""Reading durable records of a log that is being written (shell; any thread).

Recovery reads a log that nobody writes to, and judges its end (`wal.reader`). Here the end is
known: the last synced record. Everything up to it is there, or it is corruption. Whoever reads
holds the log back first (`engine.retention`), so that no segment goes away meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.wal.format import WAL, Record
from kiwi_engine.wal.segment import SegmentReader
from kiwi_engine.wal.writer import LogWriter


class SegmentPart(NamedTuple):
    """The beginning of a log segment, up to the last record that is wanted.

    `last_payload` is that record's; empty where the segment holds none.
    """

    path: str
    end: int
    last_payload: bytes


class LogTail:
    """The records from `from_lsn` to what was durable when this was made, `last_lsn`."""

    def __init__(self, fs: FileSystem, directory: str, log: LogWriter, from_lsn: int) -> None:
        self._fs = fs
        self._directory = directory
        self._from_lsn = from_lsn
        # In this order: segments may be begun in between, but none of those is needed.
        self.last_lsn = log.synced_lsn
        self._numbers = log.segments_from(min(from_lsn, self.last_lsn))

    def records(self) -> Iterator[Record]:
        """The records, ascending and complete; `CorruptionError` where that cannot be."""
        wanted = self._from_lsn
        if wanted > self.last_lsn:
            return
        for number in self._numbers:
            with SegmentReader(self._fs, WAL.path(self._directory, number)) as segment:
                for record in self._up_to_last(segment):
                    if record.lsn == wanted:
                        yield record
                        wanted += 1
                    elif record.lsn > wanted:
                        break
            if wanted > self.last_lsn:
                return
        reason = f"record {wanted} is missing, although {self.last_lsn} is durable"
        raise CorruptionError(self._directory, 0, reason)

    def segments(self) -> list[SegmentPart]:
        """The parts of segments that hold the records; every record in them is checked.

        Without any, the end of the log as it is, because an engine always has a log.
        """
        parts: list[SegmentPart] = []
        for number in self._numbers:
            path, end, payload = WAL.path(self._directory, number), HEADER_BYTES, b""
            with SegmentReader(self._fs, path) as segment:
                for record in self._up_to_last(segment):
                    last, end, payload = record.lsn, record.end, record.payload
                    if last == self.last_lsn:
                        return [*parts, SegmentPart(path, end, payload)]
            parts.append(SegmentPart(path, end, payload))
        if self.last_lsn >= self._from_lsn:
            reason = f"record {self.last_lsn} is missing, although it is durable"
            raise CorruptionError(self._directory, 0, reason)
        return parts

    def _up_to_last(self, segment: SegmentReader) -> Iterator[Record]:
        """Not what lies behind the last record: it is not durable, and may be half written.

        The last record itself may be gone, if the index has it and its segment was released.
        """
        for record in segment.records():
            if record.lsn <= self.last_lsn:
                yield record
            if record.lsn >= self.last_lsn:
                return
