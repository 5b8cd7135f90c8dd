"""Looking over the value log for the segment to collect next (shell; obeys `vlog.collection`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from kiwi_engine.engine.collection.sampler import Sampler
from kiwi_engine.engine.housekeeping import Housekeeping
from kiwi_engine.engine.overlay import Generation
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.engine.settings import CollectionSettings
from kiwi_engine.engine.store import Store
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.vlog.collection import (
    Choice,
    CollectionLimits,
    SegmentFacts,
    choose_segment,
    rewrite_rate,
    total_dead_share,
)
from kiwi_engine.vlog.format import ENTRY_HEADER_BYTES
from kiwi_engine.vlog.writer import full_bytes

# What is worth collecting while writes are refused for lack of space.
_FULL_DISK_SHARE: Final = 0.1
# What a complete segment holds beside its entries: a header and a seal.
_SEGMENT_OVERHEAD_BYTES: Final = HEADER_BYTES + ENTRY_HEADER_BYTES


class Survey:
    """Owned by the collector, used by its thread. `wanted_share` is what somebody asked for."""

    def __init__(
        self, opened: Opened, settings: CollectionSettings, housekeeping: Housekeeping
    ) -> None:
        self.settings = settings
        # From this dead share on every segment is collected, for once.
        self.wanted_share: float | None = None
        # The dead share of the whole log, when it was last looked at.
        self.total_share = 0.0
        self._complete: Sequence[SegmentFacts] = ()
        self._writing = SegmentFacts(0, 0)
        # The generation being filled, and the bytes of the value log when it was new.
        self._generation: Generation | None = None
        self._drained_bytes = 0
        self._values = opened.values
        self._recovered_lsn = opened.report.last_lsn
        self._housekeeping = housekeeping
        self._discards = housekeeping.drainer.discards
        # What is counted for segments that were removed just before a crash.
        self._discards.keep_only(self._values.segments())
        self.sampler = Sampler(opened, self._discards.get)

    def drain_if_much_was_written(self, store: Store) -> None:
        """What is overwritten is counted when the overwriting is drained.

        So values must not wait for that in such numbers that the dead ones among what they replace
        make up a large part of the log; a drain of large values is of few keys, and cheap.
        """
        written_bytes = self._values.stored_bytes
        if store.generation is not self._generation:
            self._generation, self._drained_bytes = store.generation, written_bytes
        limit = full_bytes(self._values.segment_bytes, self.entry_bytes())
        if written_bytes - self._drained_bytes > limit:
            self._housekeeping.drain_soon()

    def refresh(self, excluded: Collection[int]) -> None:
        """Look at the segments again, but for `excluded`, which are never chosen."""
        self._complete, self._writing = self._segments(excluded), self._active()
        self.total_share = total_dead_share([*self._complete, self._writing])

    def choose(self, *, is_busy: bool) -> Choice | None:
        """The next segment, if one should be collected; `is_busy` while others are."""
        limits, live_bytes_max = self._limits(), None
        if self._housekeeping.problem is not None:
            # What is written must fit on the disk beside the segment, which goes afterwards.
            if is_busy:
                return None
            limits = CollectionLimits(_FULL_DISK_SHARE, limits.total_share)
            live_bytes_max = self._housekeeping.disk_free_bytes // 2
        able = [segment for segment in self._complete if self.is_applied(segment.number)]
        choice = choose_segment(able, self.total_share, limits, live_bytes_max)
        if choice is None:
            self._complete_if_wanted()
        return choice

    def rate(self) -> float:
        """Bytes a second that may be rewritten now; infinity if there is no limit."""
        return rewrite_rate(self.settings.rate, self.total_share, self.settings.limits)

    def is_applied(self, number: int) -> bool:
        """Whether the index knows every pointer into the segment that there ever was."""
        return self.last_lsn(number) <= self._housekeeping.applied_lsn

    def last_lsn(self, number: int) -> int:
        """No record behind this one points into the segment."""
        return self._values.last_lsn(number) or self._recovered_lsn

    def entry_bytes(self) -> int:
        """Bytes of entries in all segments, live and dead."""
        sizes = self._values.segments().values()
        return sum(sizes) - len(sizes) * _SEGMENT_OVERHEAD_BYTES + self._values.active_bytes

    def dead_bytes(self) -> tuple[int, int]:
        """(counted, estimated besides) over all segments that exist."""
        segments = self._segments(())
        counted = sum(segment.counted_bytes for segment in [*segments, self._active()])
        return counted, sum(segment.estimated_bytes for segment in segments)

    def _segments(self, excluded: Collection[int]) -> Sequence[SegmentFacts]:
        """The complete ones."""
        counted, estimated = self._discards.get, self.sampler.uncounted_bytes
        return [
            SegmentFacts(number, size, counted(number), estimated(number, size))
            for number, file_bytes in self._values.segments().items()
            if number not in excluded
            for size in [max(0, file_bytes - _SEGMENT_OVERHEAD_BYTES)]
        ]

    def _active(self) -> SegmentFacts:
        number = self._values.active_segment
        return SegmentFacts(number, self._values.active_bytes, self._discards.get(number))

    def _limits(self) -> CollectionLimits:
        limits = self.settings.limits
        if self.wanted_share is None:
            return limits
        return CollectionLimits(min(self.wanted_share, limits.segment_share), limits.total_share)

    def _complete_if_wanted(self) -> None:
        """What somebody asked for includes the segment being written."""
        if self.wanted_share is not None and self._writing.entry_bytes:
            self._values.rotation_wanted |= self._writing.dead_share >= self.wanted_share
