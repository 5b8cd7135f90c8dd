"""The segments that the log thread is not writing to (shell; the log and one background thread).

    made ──▶ prepared ──take──▶ active ──retire──▶ full ──release──▶ recycled ──▶ prepared ...

The log thread takes and retires; the background thread makes and releases, so that zero-filling
and removing files never waits in a commit. What both touch is guarded by `_lock`, which is never
held across a file operation. `_making` is held while a segment is made, so that a log thread that
finds none waits for the one under way instead of making a second.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from kiwi_engine.fs.protocol import File, FileSystem
from kiwi_engine.fs.segment_file import (
    create_segment,
    name_segment,
    remove_unfinished,
)
from kiwi_engine.wal.format import RECYCLED, TERMINATOR, WAL
from kiwi_engine.wal.reader import LogPosition, SegmentSpan
from kiwi_engine.wal.settings import LogSettings


class PreparedSegment(NamedTuple):
    """A durable segment without records. `reused`: made from a recycled file."""

    number: int
    file: File
    reused: bool


class PoolFacts(NamedTuple):
    """What the pool holds. `oldest_lsn` is 0 where no segment is full."""

    full: int
    oldest_lsn: int
    prepared: int
    recycled: int
    size_bytes: int


def remove_spare(fs: FileSystem, directory: str) -> int:
    """Give the disk back files that no log uses: recycled and unfinished ones. Returns how many.

    For a start on a full disk, before the log is opened; the removals are durable, so that their
    space can be used.
    """
    before = fs.list_directory(directory)
    remove_unfinished(fs, directory)
    for number in RECYCLED.numbers(before):
        fs.remove(RECYCLED.path(directory, number))
    fs.sync_directory(directory)
    return len(before) - len(fs.list_directory(directory))


class SegmentPool:
    """Full, prepared and recycled segments of the log in `directory`."""

    def __init__(
        self, fs: FileSystem, directory: str, settings: LogSettings, position: LogPosition
    ) -> None:
        """Take over what is in the directory; unfinished and surplus files go."""
        self._fs = fs
        self._directory = directory
        self._settings = settings
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._full = deque(position.full)
        self._prepared: deque[PreparedSegment] = deque()
        self._recycled: deque[str] = deque()
        remove_unfinished(fs, directory)
        names = fs.list_directory(directory)
        in_place, spare = WAL.numbers(names), RECYCLED.numbers(names)
        self._next_number = max(in_place or spare, default=0) + 1
        for number in spare:
            self._adopt_spare(number)
        for number in position.prepared:
            file = fs.open(WAL.path(directory, number), writable=True)
            self._prepared.append(PreparedSegment(number, file, reused=False))

    @property
    def needs_segment(self) -> bool:
        """Whether `prepare` has something to do; any thread."""
        return not self._prepared

    def prepare(self) -> None:
        """Make the next segment, unless one is ready. `DiskFullError` changes nothing."""
        with self._making:
            if self._prepared:
                return
            with self._lock:
                number = self._next_number
                recycled = self._recycled.popleft() if self._recycled else None
            file = self._reuse(recycled, number) if recycled else self._make(number)
            with self._lock:
                self._prepared.append(PreparedSegment(number, file, recycled is not None))
                self._next_number = number + 1

    def take(self) -> PreparedSegment:
        """Log thread: the next segment to write to, made here if none is ready."""
        if not self._prepared:
            self.prepare()
        with self._lock:
            return self._prepared.popleft()

    def retire(self, span: SegmentSpan) -> None:
        """Log thread: `span` is full and durable."""
        with self._lock:
            self._full.append(span)

    def full(self) -> tuple[SegmentSpan, ...]:
        """The full segments, ascending; any thread."""
        with self._lock:
            return tuple(self._full)

    def release(self, through_lsn: int) -> int:
        """Give up full segments whose records are all `through_lsn` or older; returns how many.

        Each removal is durable before the next begins: were a later one to survive a crash alone,
        it would look like a missing segment.
        """
        released = 0
        while True:
            with self._lock:
                if not self._full or self._full[0].last_lsn > through_lsn:
                    return released
                span = self._full[0]
                keep = (
                    span.size_bytes == self._settings.segment_bytes
                    and len(self._recycled) < self._settings.recycled_max
                )
            recycled = self._give_up(span.number, keep)
            with self._lock:
                self._full.popleft()
                if recycled:
                    self._recycled.append(recycled)
            released += 1

    def facts(self) -> PoolFacts:
        """A consistent picture; any thread."""
        with self._lock:
            full = tuple(self._full)
            prepared, recycled = len(self._prepared), len(self._recycled)
        return PoolFacts(
            full=len(full),
            oldest_lsn=full[0].first_lsn if full else 0,
            prepared=prepared,
            recycled=recycled,
            size_bytes=sum(span.size_bytes for span in full)
            + (prepared + recycled) * self._settings.segment_bytes,
        )

    def close(self) -> None:
        """Release the files; the background thread must have stopped."""
        for prepared in self._prepared:
            prepared.file.close()

    def _adopt_spare(self, number: int) -> None:
        """Keep a recycled file, or remove one that is not wanted or would not fit."""
        path = RECYCLED.path(self._directory, number)
        wanted = len(self._recycled) < self._settings.recycled_max
        fits = self._fs.size(path) == self._settings.segment_bytes
        if wanted and fits and number < self._next_number:
            self._recycled.append(path)
        else:
            self._fs.remove(path)

    def _make(self, number: int) -> File:
        settings = self._settings
        return create_segment(
            self._fs,
            self._directory,
            WAL,
            number,
            settings.segment_bytes,
            settings.zero_slice_bytes,
        )

    def _reuse(self, recycled: str, number: int) -> File:
        """Make a recycled file segment `number`; its stale records carry another number."""
        file = self._fs.open(recycled, writable=True)
        try:
            file.pwritev((WAL.encode_header(number), TERMINATOR), 0)
            file.datasync()
        finally:
            file.close()
        return name_segment(self._fs, self._directory, WAL, number, recycled)

    def _give_up(self, number: int, keep: bool) -> str | None:
        """Durably remove a segment, or rename it for reuse and return its new path."""
        path = WAL.path(self._directory, number)
        target = RECYCLED.path(self._directory, number) if keep else None
        if target:
            self._fs.rename(path, target)
        else:
            self._fs.remove(path)
        self._fs.sync_directory(self._directory)
        return target
