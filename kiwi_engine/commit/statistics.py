"""Counters and a histogram that cost little enough for the commit path (pure).

One thread writes each object; others may read at any time and see values of some recent moment.
"""

from __future__ import annotations


class Histogram:
    """Counts of durations by power of two of microseconds; percentiles are upper bounds.

    Bucket i holds durations in [2**(i-1), 2**i) microseconds, so a percentile is at most twice the
    true one. `maximum` is exact.
    """

    __slots__ = ("_buckets", "count", "maximum_us", "total_us")

    def __init__(self) -> None:
        self._buckets = [0] * 40
        self.count = 0
        self.total_us = 0
        self.maximum_us = 0

    def record_ns(self, duration_ns: int) -> None:
        """Count one duration in nanoseconds."""
        duration_us = duration_ns // 1000
        self._buckets[min(duration_us.bit_length(), 39)] += 1
        self.count += 1
        self.total_us += duration_us
        if duration_us > self.maximum_us:
            self.maximum_us = duration_us

    def percentile_us(self, percent: float) -> int:
        """The smallest bucket bound with `percent` of the durations at or below it; 0 if none."""
        wanted = self.count * percent / 100
        seen = 0
        for exponent, bucket in enumerate(self._buckets):
            seen += bucket
            if bucket and seen >= wanted:
                return min(1 << exponent, self.maximum_us)
        return 0

    def facts(self, name: str) -> dict[str, int]:
        """Fields for INFO, each beginning with `name`."""
        return {
            f"{name}_us_avg": self.total_us // self.count if self.count else 0,
            f"{name}_us_p50": self.percentile_us(50),
            f"{name}_us_p99": self.percentile_us(99),
            f"{name}_us_max": self.maximum_us,
        }


class CommitStatistics:
    """What the log thread has done since the start or the last reset."""

    __slots__ = (
        "bytes_logged",
        "commit",
        "groups",
        "groups_failed",
        "groups_full",
        "last_sync_error",
        "requests",
        "requests_max",
        "sync",
        "syncs",
        "unsynced",
        "waits",
        "waits_ns",
    )

    def __init__(self) -> None:
        self.last_sync_error = ""
        self.reset()

    def reset(self) -> None:
        self.groups = 0
        self.groups_failed = 0
        self.groups_full = 0
        self.requests = 0
        self.requests_max = 0
        self.bytes_logged = 0
        self.syncs = 0
        # How often, and how long, the executing thread waited for a place in the pipeline.
        self.waits = 0
        self.waits_ns = 0
        self.sync = Histogram()
        # From the writing of the first record that a sync made durable to the end of that sync.
        self.unsynced = Histogram()
        self.commit = Histogram()
