"""Writing the commit log (shell; the log thread).

`prepare_segment` and `release` belong to one background thread (see `wal.pool`); everything else
to the log thread, but for `facts` and the properties, which any thread may read.
"""

from __future__ import annotations

import msgspec

from kiwi_engine.errors import EnginePoisonedError, StaleCacheError
from kiwi_engine.failpoints import hit
from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.fs.segment_file import refusing_when_full, reserve
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.wal.format import (
    PAYLOAD_BYTES_MAX,
    RECORD_HEADER_BYTES,
    TERMINATOR,
    WAL,
    encode_record_header,
)
from kiwi_engine.wal.pool import PreparedSegment, SegmentPool
from kiwi_engine.wal.reader import LogPosition, SegmentSpan
from kiwi_engine.wal.settings import LogSettings

__all__ = ["LogFacts", "LogSettings", "LogWriter"]


class LogFacts(msgspec.Struct, frozen=True):
    """What the log holds now. `oldest_lsn` is 0 where it holds no record.

    `retained_bytes` is disk space, unused ends and the prepared segment included.
    """

    next_lsn: int
    synced_lsn: int
    oldest_lsn: int
    active_segment: int
    segments: int
    retained_bytes: int
    prepared: int
    recycled: int
    rotations: int
    segments_reused: int
    failure: str


class LogWriter:
    """The log in one directory, which must exist durably and belong to this process."""

    def __init__(self, pool: SegmentPool, next_lsn: int) -> None:
        """Use `LogWriter.open`, which also gives it an active segment (`_begin`)."""
        self._pool = pool
        self._file: File
        self._number = self._capacity = 0
        self._offset = self._synced_offset = HEADER_BYTES
        self._segment_first_lsn = next_lsn
        self._next_lsn = next_lsn
        self._synced_lsn = next_lsn - 1
        self._rotations = 0
        self._segments_reused = 0
        self._failure = ""

    @classmethod
    def open(
        cls, fs: FileSystem, directory: str, settings: LogSettings, position: LogPosition
    ) -> LogWriter:
        """Go on at `position`, where a reader's pass, and the repair of its tail, ended.

        Everything before it is durable when this returns, whatever became of the process that
        wrote it; `StaleCacheError` if the device turns out not to have it (after a failed sync).
        Only the `position` of a log without records may be raised to a higher LSN.
        """
        is_dense = position.next_lsn == position.last_lsn + 1
        assert is_dense or not position.last_lsn, "LSNs are dense inside a log"
        pool = SegmentPool(fs, directory, settings, position)
        writer = cls(pool, position.next_lsn)
        if position.segment == 0:
            writer._begin(pool.take())
        else:
            path = WAL.path(directory, position.segment)
            writer._begin(PreparedSegment(position.segment, fs.open(path, writable=True), False))
            try:
                writer._resume(position)
            except BaseException:
                writer.close()
                raise
        return writer

    @property
    def next_lsn(self) -> int:
        """The LSN that the next `append` returns."""
        return self._next_lsn

    @property
    def synced_lsn(self) -> int:
        """All records up to this LSN are durable."""
        return self._synced_lsn

    @property
    def needs_segment(self) -> bool:
        """Whether the background thread should call `prepare_segment`."""
        return self._pool.needs_segment

    def append(self, payload: bytes) -> int:
        """Write one record and return its LSN; durable after the next `sync`.

        `DiskFullError`: no room for a further segment; nothing was written, try again later.
        `OSError`: the log is poisoned, and each later call raises `EnginePoisonedError`.
        """
        length = RECORD_HEADER_BYTES + len(payload)
        assert len(payload) <= PAYLOAD_BYTES_MAX, "the commit policy bounds a group"
        if self._failure:
            raise EnginePoisonedError(self._failure)
        if self._offset + length > self._capacity:
            self._make_room(length)
        lsn = self._next_lsn
        header = encode_record_header(payload, lsn, self._number, self._synced_offset)
        end = self._offset + length
        # A recycled segment holds stale bytes: the terminator shows where the log stops.
        buffers = (header, payload, TERMINATOR[: self._capacity - end])
        try:
            # What a full disk cut off is written over by the next record, which gets this LSN.
            with refusing_when_full(self._file.path, length):
                self._file.pwritev(buffers, self._offset)
        except OSError as failure:
            self._failure = f"writing the log failed: {failure}"
            raise
        self._offset = end
        self._next_lsn = lsn + 1
        return lsn

    def sync(self) -> None:
        """Make everything appended durable. An `OSError` poisons the log: it is never retried."""
        if self._failure:
            raise EnginePoisonedError(self._failure)
        if self._synced_offset == self._offset:
            return
        try:
            self._file.datasync()
        except OSError as failure:
            self._failure = f"syncing the log failed: {failure}"
            raise
        self._synced_offset = self._offset
        self._synced_lsn = self._next_lsn - 1

    def prepare_segment(self) -> None:
        """Background thread: make the next segment, so that a rotation does not have to.

        `DiskFullError` leaves everything as it was. Does nothing if one is ready.
        """
        self._pool.prepare()

    def release(self, through_lsn: int) -> int:
        """Background thread: give up full segments whose records are all `through_lsn` or older.

        Returns how many. The active segment is never among them.
        """
        return self._pool.release(through_lsn)

    def facts(self) -> LogFacts:
        """What the log holds, for statistics."""
        pool = self._pool.facts()
        oldest_lsn = pool.oldest_lsn or self._segment_first_lsn
        return LogFacts(
            next_lsn=self._next_lsn,
            synced_lsn=self._synced_lsn,
            oldest_lsn=oldest_lsn if oldest_lsn < self._next_lsn else 0,
            active_segment=self._number,
            segments=pool.full + 1,
            retained_bytes=pool.size_bytes + self._capacity,
            prepared=pool.prepared,
            recycled=pool.recycled,
            rotations=self._rotations,
            segments_reused=self._segments_reused,
            failure=self._failure,
        )

    def segments_from(self, lsn: int) -> list[int]:
        """Any thread: the segments that hold the records from `lsn` to `synced_lsn`, as it was.

        Ascending; the last one may hold none of them. Valid while nobody releases them.
        """
        # In this order: see `_rotate`.
        active, full = self._number, self._pool.full()
        numbers = [span.number for span in full if span.last_lsn >= lsn]
        if all(span.number != active for span in full):
            numbers.append(active)
        return numbers

    def close(self) -> None:
        """Release the files. Syncs nothing; the background thread must have stopped."""
        self._file.close()
        self._pool.close()

    def _begin(self, segment: PreparedSegment) -> None:
        """Make `segment` the active one."""
        self._number, self._file, reused = segment
        self._segments_reused += reused
        self._capacity = self._file.size()
        self._offset = self._synced_offset = HEADER_BYTES
        self._segment_first_lsn = self._next_lsn

    def _resume(self, position: LogPosition) -> None:
        """Go on behind what an earlier process wrote to the active segment."""
        self._offset = self._synced_offset = position.offset
        if position.offset > HEADER_BYTES:
            self._segment_first_lsn = position.first_lsn
        # A failed sync leaves pages that are clean to the kernel but never reached the device. Not
        # written again to be sure: a crash in that would tear what had been durable all the time.
        unconfirmed_bytes = position.offset - position.synced_offset
        seen = self._file.pread(unconfirmed_bytes, position.synced_offset)
        self._file.datasync()
        self._file.drop_cache()
        if self._file.pread(unconfirmed_bytes, position.synced_offset) != seen:
            reason = "the device does not hold what the system had cached; open it again"
            raise StaleCacheError(self._file.path, position.synced_offset, reason)

    def _make_room(self, length: int) -> None:
        """Have an active segment with room for `length` more bytes.

        A record too large for any segment makes a fresh one grow. A failure other than a full disk
        poisons the log.
        """
        try:
            if self._offset > HEADER_BYTES:
                self._rotate()
            if self._capacity < HEADER_BYTES + length:
                reserve(self._file, HEADER_BYTES + length)
                self._capacity = self._file.size()
        except OSError as failure:
            self._failure = self._failure or f"changing the log segment failed: {failure}"
            raise

    def _rotate(self) -> None:
        """Leave the active segment, synced, for the prepared one."""
        self.sync()
        hit("segment-rotate")
        full_file = self._file
        span = SegmentSpan(
            self._number, self._segment_first_lsn, self._next_lsn - 1, self._capacity
        )
        prepared = self._pool.take()
        # Before the next one is begun: `segments_from` must find each record somewhere.
        self._pool.retire(span)
        self._begin(prepared)
        full_file.close()
        self._rotations += 1
