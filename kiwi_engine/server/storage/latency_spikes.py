"""Which times of the storage runtime are worth telling (pure but for the clock)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from kiwi_engine.channel.events import Spike
from kiwi_engine.clock import perf_counter_ns
from kiwi_engine.commands.slowness import Slowness
from kiwi_engine.config.settings import Settings
from kiwi_engine.histogram import Histogram


class StorageSpikes:
    """Tells the network runtime at once: a spike is no change that has to be durable first."""

    def __init__(self, slowness: Slowness, tell: Callable[[Spike], None]) -> None:
        self._slowness = slowness
        self._tell = tell
        self._threshold_ms = 0

    def configure(self, settings: Settings) -> None:
        """Take over the thresholds of SLOWLOG and LATENCY."""
        self._threshold_ms = settings.latency_monitor_threshold
        slow_us = settings.slowlog_log_slower_than
        self._slowness.configure(
            min(inf if slow_us < 0 else slow_us, self._threshold_ms * 1000 or inf)
        )

    def look_at_syncs(self, syncs: Histogram) -> None:
        """To be called often: tells the worst sync since the last call."""
        self._look_at("wal-sync", syncs.take_worst_us() // 1000)

    @contextmanager
    def expire_cycle(self) -> Iterator[None]:
        """Around a cycle of active expiry."""
        started_ns = perf_counter_ns()
        yield
        self._look_at("expire-cycle", (perf_counter_ns() - started_ns) // 1_000_000)

    def _look_at(self, event: str, milliseconds: int) -> None:
        if self._threshold_ms and milliseconds >= self._threshold_ms:
            self._tell(Spike(event, milliseconds))
