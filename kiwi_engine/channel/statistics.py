"""What passed through the channel, and how long it took (pure).

The network runtime's event loop owns it. Requests are commands; a run holds those that one
connection sent in one tick. Times are counted per run, but recorded per frame, so that a run costs
a few additions: those in the queue as the mean of the runs that leave together.
"""

from __future__ import annotations

from typing import Any

from kiwi_engine.histogram import Histogram

_PERCENTILES = (("p50", 50.0), ("p99", 99.0), ("p999", 99.9))


class ChannelStatistics:
    """Totals since the start or the last reset; peaks are of what was unanswered."""

    __slots__ = (
        "backpressure_events",
        "backpressure_ns",
        "bytes_peak",
        "failures",
        "frames",
        "in_queue",
        "in_storage",
        "queries",
        "received",
        "refused",
        "requests_peak",
        "retries",
        "returned",
        "sent",
        "timeouts",
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, as `CONFIG RESETSTAT` asks for."""
        self.frames = 0
        self.sent = 0
        self.received = 0
        self.queries = 0
        self.requests_peak = 0
        self.bytes_peak = 0
        # How often a connection was told to stop reading because the channel was full, and how long
        # at least one was.
        self.backpressure_events = 0
        self.backpressure_ns = 0
        self.timeouts = 0
        # Runs that were under way when a storage runtime stopped.
        self.failures = 0
        # Reads that were asked again because of that.
        self.retries = 0
        # Runs that came back because their clients were to read first.
        self.returned = 0
        # Requests that the circuit breaker did not let through.
        self.refused = 0
        # From the arrival of a run until it is handed to the kernel, and from there to its answer.
        self.in_queue = Histogram()
        self.in_storage = Histogram()

    def unanswered(self, requests: int, size: int) -> None:
        """All that is unanswered now, as often as something is sent."""
        self.requests_peak = max(self.requests_peak, requests)
        self.bytes_peak = max(self.bytes_peak, size)

    def facts(self) -> dict[str, Any]:
        """Fields of INFO."""
        return {
            "requests_peak": self.requests_peak,
            "bytes_peak": self.bytes_peak,
            "frames_sent": self.frames,
            "requests_sent": self.sent,
            "requests_answered": self.received,
            "queries_sent": self.queries,
            "timeouts": self.timeouts,
            "failures": self.failures,
            "retries": self.retries,
            "runs_returned": self.returned,
            "backpressure_events": self.backpressure_events,
            "backpressure_ms": self.backpressure_ns // 1_000_000,
            **time_fields("queue", self.in_queue),
            **time_fields("storage", self.in_storage),
        }

    def times(self) -> dict[str, list[int]]:
        """The states of the histograms that the fields of `facts` come from, by their names."""
        return {"queue": self.in_queue.state(), "storage": self.in_storage.state()}


def time_fields(name: str, times: Histogram) -> dict[str, int]:
    """Fields of INFO, each beginning with `name`."""
    average = times.total_us // times.count if times.count else 0
    return {
        f"{name}_us_avg": average,
        **{f"{name}_us_{label}": times.percentile_us(at) for label, at in _PERCENTILES},
        f"{name}_us_max": times.maximum_us,
    }
