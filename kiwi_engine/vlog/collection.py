"""Which segment of the value log to collect next, and how fast (pure).

Values are never changed in place, so an overwritten one stays where it is until its whole segment
is collected: what is still pointed to is written again, then the file is removed. Collecting a
segment costs what is live in it and frees the rest.

    dead                   nothing in it is pointed to: removing it costs next to nothing
    segment's share        so much of it is dead that it is worth the writing at any time
    total share            so much of the whole log is dead that the best segment has to go

The choice is a matter of economy only. Whether a value is dead is never taken from these numbers:
the collector asks the index about every entry before it removes a segment.

With overwrites spread evenly, a log that is collected at a total share of T settles where the
segments that are chosen are deader than the average (T = 0.30: about half dead), so each byte freed
costs about one byte written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

Reason = Literal["dead", "segment's share", "total share"]

# Below this even the best segment is not worth its rewriting, whatever the total.
SHARE_MIN: Final = 0.05
# How much more of the log must be dead for the rate to double; at 1.6 times the live size, 0.375
# is dead, three doublings beyond a total share of 0.30.
DOUBLING_SHARE: Final = 0.025
_DOUBLINGS_MAX: Final = 10


class SegmentFacts(NamedTuple):
    """Bytes of entries in a segment, dead ones counted exactly, and dead ones estimated besides."""

    number: int
    entry_bytes: int
    counted_bytes: int = 0
    estimated_bytes: int = 0

    @property
    def dead_bytes(self) -> int:
        return min(self.entry_bytes, self.counted_bytes + self.estimated_bytes)

    @property
    def live_bytes(self) -> int:
        return self.entry_bytes - self.dead_bytes

    @property
    def dead_share(self) -> float:
        return self.dead_bytes / self.entry_bytes if self.entry_bytes else 1.0


class CollectionLimits(NamedTuple):
    """Dead shares, 0 to 1, from which on a segment, and the best segment of all, is collected."""

    segment_share: float
    total_share: float


class Choice(NamedTuple):
    """Collect this segment, because of that."""

    segment: SegmentFacts
    reason: Reason


def total_dead_share(segments: Iterable[SegmentFacts]) -> float:
    """The dead share of all entries together; 0 where there are none."""
    entry_bytes = dead_bytes = 0
    for segment in segments:
        entry_bytes += segment.entry_bytes
        dead_bytes += segment.dead_bytes
    return dead_bytes / entry_bytes if entry_bytes else 0.0


def choose_segment(
    segments: Iterable[SegmentFacts],
    total_share: float,
    limits: CollectionLimits,
    live_bytes_max: int | None = None,
) -> Choice | None:
    """The deadest of `segments` if it should be collected now; the oldest of equally dead ones.

    `segments` are those that may be collected: complete, and with no pointer that the index has yet
    to learn of. `total_share` is that of the whole log. `live_bytes_max`: not one that needs more
    than that to be written (None: any).
    """
    able = [s for s in segments if live_bytes_max is None or s.live_bytes <= live_bytes_max]
    if not able:
        return None
    best = max(able, key=lambda segment: (segment.dead_share, -segment.number))
    if best.live_bytes == 0:
        return Choice(best, "dead")
    if best.dead_share >= limits.segment_share:
        return Choice(best, "segment's share")
    if total_share > limits.total_share and best.dead_share >= SHARE_MIN:
        return Choice(best, "total share")
    return None


def rewrite_rate(rate: int, total_share: float, limits: CollectionLimits) -> float:
    """Bytes a second that may be rewritten: `rate` while the log is within its limit.

    Beyond it the rate doubles with each `DOUBLING_SHARE`, so that collecting keeps up with any rate
    of overwriting, at the price of the writers. `rate` 0 means no limit (infinity is returned).
    """
    if not rate:
        return float("inf")
    excess = max(0.0, total_share - limits.total_share) / DOUBLING_SHARE
    return float(rate * 2 ** min(excess, _DOUBLINGS_MAX))
