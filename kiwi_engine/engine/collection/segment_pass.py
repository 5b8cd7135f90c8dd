"""Going through one segment of the value log to empty it (shell: a background job at a time).

    next_batch   the next values that the index still points to, until there are no more
    is_empty     whether the index points to none of them any more, durably

Between the two the executing thread puts the values again and a drain takes them into the index. A
value that was not put, or whose group failed, is found again by `is_empty` and comes again.

Why the index alone tells what is dead: a pass begins when every record that points into the segment
is applied. From then on the index can only lose pointers into it, and it holds nothing that a
failure of the log could take back. A count is never proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from kiwi_engine.clock import sleep
from kiwi_engine.engine.stored import pointer_into, points_to
from kiwi_engine.errors import EngineClosedError
from kiwi_engine.failpoints import hit
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import CleanEnd
from kiwi_engine.index.protocol import Index
from kiwi_engine.vlog.format import VLOG, decode_pointer, encode_pointer
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.segment import ValueSegmentReader

# Keys that are looked up with one call.
_LOOKUP_KEYS: Final = 256
# How much of a segment a job reads at most; the executing thread may want to end it.
_READ_BYTES_MAX: Final = 8 << 20
# Entries of the index between two pauses of a walk over all of it.
_WALK_ENTRIES: Final = 2000
_WALK_PAUSE_S: Final = 0.001

# A key and its encoded pointer into the segment.
Place = tuple[bytes, bytes]
# A key, its encoded pointer, its value.
Row = tuple[bytes, bytes, bytes]


class Batch(NamedTuple):
    """Values to be put again; `read_bytes` were read to find them; `is_last` of this round."""

    rows: list[Row]
    read_bytes: int
    is_last: bool


class SegmentPass:
    """One segment being emptied. Its methods are for one thread at a time.

    Both raise `CorruptionError` where a value that is pointed to, or the index, is damaged,
    `EngineClosedError` after `abandon`, and what the file system or the index raise else; the pass
    is over then.
    """

    def __init__(
        self,
        fs: FileSystem,
        directory: str,
        number: int,
        values: ValueLogReader,
        index: Index,
    ) -> None:
        self.number = number
        self.path = VLOG.path(directory, number)
        self._fs = fs
        self._values = values
        self._index = index
        # What the index pointed to when it was asked. Bounded by the entries of one segment.
        self._live: dict[bytes, bytes] = {}
        # The entries could not be read one after another to the end.
        self._is_torn = False
        self._is_abandoned = False
        self._places = self._walk_segment()

    def next_batch(self, bytes_max: int) -> Batch:
        """Values of about `bytes_max` bytes, one at least unless there is none."""
        rows: list[Row] = []
        size = read_bytes = 0
        while size < bytes_max and read_bytes < _READ_BYTES_MAX:
            places, passed_bytes = self._take(bytes_max)
            if not places and not passed_bytes:
                return Batch(rows, read_bytes, True)
            read_bytes += passed_bytes
            for key, pointer in self._still_live(places):
                self._live[key] = pointer
                value = self._values.read(key, decode_pointer(pointer))
                rows.append((key, pointer, value))
                size += len(value)
        return Batch(rows, read_bytes, False)

    def is_empty(self) -> bool:
        """Whether the index points to nothing in the segment, and will not after a crash either."""
        remaining = list(self._walk_index()) if self._is_torn else list(self._live.items())
        self._live = {}
        for at in range(0, len(remaining), _LOOKUP_KEYS):
            self._live.update(self._still_live(remaining[at : at + _LOOKUP_KEYS]))
        if self._live:
            self._places = iter(self._live.copy().items())
            return False
        hit("index-flush")
        self._index.flush()
        return True

    def abandon(self) -> None:
        """Any thread: end what runs soon, as the engine is being closed."""
        self._is_abandoned = True

    def _take(self, bytes_max: int) -> tuple[list[Place], int]:
        """The next places, of `bytes_max` bytes or one more, and how many bytes they are."""
        places: list[Place] = []
        size = 0
        while len(places) < _LOOKUP_KEYS and size < bytes_max:
            place = next(self._places, None)
            if place is None:
                break
            places.append(place)
            size += decode_pointer(place[1]).entry_bytes
        return places, size

    def _still_live(self, places: list[Place]) -> list[Place]:
        found = self._index.get_many([key for key, _ in places])
        return [
            (key, pointer)
            for (key, pointer), stored in zip(places, found, strict=True)
            if points_to(stored, pointer)
        ]

    def _walk_segment(self) -> Iterator[Place]:
        """All entries in order; where they end torn or damaged, what the index points to instead.

        A damaged entry hides those behind it. If nothing points to it, it does no harm.
        """
        reader = ValueSegmentReader(self._fs, self.path)
        for entry in reader.entries():
            yield entry.key, encode_pointer(entry.pointer)
        if not isinstance(reader.ending, CleanEnd):
            self._is_torn = True
            yield from self._walk_index()

    def _walk_index(self) -> Iterator[Place]:
        """Everything in the index that points into the segment: complete, and slow.

        In pieces, as pointers into the segment only vanish: none can hide behind the walk.
        """
        begin = b""
        while True:
            count = 0
            for key, stored in self._index.iterate(begin, None):
                count += 1
                pointer = pointer_into(stored, self.number)
                if pointer is not None:
                    yield key, pointer
                if count == _WALK_ENTRIES:
                    break
            if count < _WALK_ENTRIES:
                return
            begin = key + b"\0"
            sleep(_WALK_PAUSE_S)
            if self._is_abandoned:
                raise EngineClosedError("the engine is being closed")
