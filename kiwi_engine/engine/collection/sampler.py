"""Estimating what is dead in segments that nobody counted (shell: a background job at a time).

What is overwritten is counted when it is drained, and the counts are stored with the index. They
lack what was written and never acknowledged before a crash, and everything after a salvage. So each
segment that an earlier process left is looked at once: at random places, a few entries each, whose
keys are looked up in the index. The estimate stands beside the count and is never mixed with it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.engine.stored import points_to
from kiwi_engine.vlog.format import VLOG, encode_pointer
from kiwi_engine.vlog.sampling import Place, sample_entries

# The standard error of the estimate is about a tenth; what is within two of them is not believed.
_PLACES: Final = 32
_RUN_ENTRIES: Final = 8
_SHARE_MARGIN: Final = 0.2
# Reading samples competes with clients' reads for the disk.
_INTERVAL_NS: Final = 1_000_000_000


class Sampler:
    """Owned by the collector; `sample` is for a background job, the rest for its thread.

    `counted_bytes` tells what is counted as dead in a segment.
    """

    def __init__(self, opened: Opened, counted_bytes: Callable[[int], int]) -> None:
        self._opened = opened
        self._counted_bytes = counted_bytes
        self._waiting = sorted(opened.values.segments(), reverse=True)
        self._uncounted_shares: dict[int, float] = {}
        self._sampled_ns = 0
        # Somebody waits for a complete picture: do not pause between segments.
        self.is_urgent = False

    def next_segment(self, now_ns: int) -> int:
        """The segment to sample now, or 0. It is not offered again."""
        if not self._waiting or not (self.is_urgent or now_ns - self._sampled_ns > _INTERVAL_NS):
            return 0
        self._sampled_ns = now_ns
        return self._waiting.pop()

    def sample(self, number: int) -> tuple[int, float]:
        """Background: the segment and the share of it that seems to be dead."""
        opened = self._opened
        path = VLOG.path(opened.paths.values, number)
        # Seeded by the number, so that a run can be repeated.
        runs = sample_entries(opened.fs, path, Random(number), _PLACES, _RUN_ENTRIES)
        if not runs:
            return number, 0.0
        return number, sum(self._dead_share(run) for run in runs) / len(runs)

    def take(self, result: tuple[int, float]) -> None:
        """Remember what `sample` found."""
        number, dead_share = result
        counted_share = self._counted_bytes(number) / self._opened.values.segments()[number]
        if dead_share - counted_share > _SHARE_MARGIN:
            self._uncounted_shares[number] = dead_share - counted_share

    def uncounted_bytes(self, number: int, entry_bytes: int) -> int:
        """How many of a segment's bytes seem to be dead beside those counted; 0 if not sampled."""
        return int(self._uncounted_shares.get(number, 0.0) * entry_bytes)

    def forget(self, number: int) -> None:
        """The segment is gone, or was judged better."""
        self._uncounted_shares.pop(number, None)
        if number in self._waiting:
            self._waiting.remove(number)

    def _dead_share(self, run: list[Place]) -> float:
        """The dead share of neighbouring entries; all, where nothing was ever written."""
        found = self._opened.index.get_many([key for key, _ in run])
        live_bytes = sum(
            pointer.entry_bytes
            for (_, pointer), stored in zip(run, found, strict=True)
            if points_to(stored, encode_pointer(pointer))
        )
        all_bytes = sum(pointer.entry_bytes for _, pointer in run)
        return 1.0 - live_bytes / all_bytes if all_bytes else 1.0
