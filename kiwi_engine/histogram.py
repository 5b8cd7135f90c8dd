"""Counts of durations that cost little enough for every command and every sync (pure).

One thread writes each object; others may read at any time and see values of some recent moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

_BUCKETS = 40


class Histogram:
    """Counts of durations by power of two of microseconds; percentiles are upper bounds.

    Bucket i holds durations in [2**(i-1), 2**i) microseconds, so a percentile is at most twice the
    true one. `maximum_us` is exact, and `worst_us` the longest since it was taken last.
    """

    __slots__ = ("_buckets", "_worst_us", "count", "maximum_us", "total_us")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self.count = 0
        self.total_us = 0
        self.maximum_us = 0
        self._worst_us = 0

    def record_ns(self, duration_ns: int, count: int = 1) -> None:
        """Count `count` durations that took `duration_ns` together, as so many equal ones."""
        total_us = duration_ns // 1000
        each_us = total_us // count
        self._buckets[min(each_us.bit_length(), _BUCKETS - 1)] += count
        self.count += count
        self.total_us += total_us
        if each_us > self._worst_us:
            self._worst_us = each_us
            self.maximum_us = max(self.maximum_us, each_us)

    def take_worst_us(self) -> int:
        """The longest duration since the last call."""
        worst_us, self._worst_us = self._worst_us, 0
        return worst_us

    def percentile_us(self, percent: float) -> int:
        """As `percentile_us` of the counts, and no more than the maximum."""
        return min(percentile_us(self._buckets, percent), self.maximum_us)

    def counts(self) -> list[int]:
        """The counts of all buckets."""
        return list(self._buckets)

    def state(self) -> list[int]:
        """What `of` makes a histogram of."""
        return [self.total_us, self.maximum_us, *self._buckets]

    @classmethod
    def of(cls, states: Iterable[list[int]]) -> Self:
        """All that several histograms have counted."""
        merged = cls()
        for total_us, maximum_us, *buckets in states:
            merged.total_us += total_us
            merged.maximum_us = max(merged.maximum_us, maximum_us)
            merged.count += sum(buckets)
            merged._buckets = [a + b for a, b in zip(merged._buckets, buckets, strict=True)]
        return merged

    def facts(self, name: str) -> dict[str, int]:
        """Fields for INFO, each beginning with `name`."""
        return {
            f"{name}_us_avg": self.total_us // self.count if self.count else 0,
            f"{name}_us_p50": self.percentile_us(50),
            f"{name}_us_p99": self.percentile_us(99),
            f"{name}_us_max": self.maximum_us,
        }


def percentile_us(counts: list[int], percent: float) -> int:
    """The smallest bucket bound with `percent` of the durations at or below it; 0 if none."""
    wanted = sum(counts) * percent / 100
    for bound, seen in cumulative(counts):
        if seen >= wanted:
            return bound
    return 0


def cumulative(counts: list[int]) -> list[tuple[int, int]]:
    """(bound in microseconds, how many took no longer) for the buckets that hold something."""
    found = []
    seen = 0
    for exponent, count in enumerate(counts):
        if count:
            seen += count
            found.append((1 << exponent, seen))
    return found
