"""When requests are refused at once instead of waiting in vain (pure).

    closed --- `failures_max` requests in a row ran into their deadline, ---------------> open
               or the storage runtime has been down for longer than a deadline
    open ----- `reset_ns` later, with the next request, which is the probe -------------> half-open
    half-open - the probe ran into its deadline ----------------------------------------> open
    open, half-open --- any answer, or another storage runtime that is ready -----------> closed

An answer of any kind is good: a storage runtime that refuses writes is there. While there is none
at all there is nothing to probe either: it stays open until one has recovered.
"""

from __future__ import annotations

from enum import Enum


class BreakerState(Enum):
    """As INFO shows it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """Times are those of one monotonic clock, in nanoseconds, and passed in.

    `is_closed` is for those who ask about every request; `is_in_doubt` for those who report every
    answer: while it is False `answered` would change nothing.
    """

    __slots__ = (
        "_down_ns_max",
        "_down_since_ns",
        "_failures",
        "_failures_max",
        "_opened_ns",
        "_reset_ns",
        "is_closed",
        "is_in_doubt",
        "opened_count",
        "reason",
        "state",
    )

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self.is_closed = True
        self.is_in_doubt = False
        self.opened_count = 0
        # Why it was opened the last time.
        self.reason = ""
        self._failures = 0
        self._failures_max = 1
        self._reset_ns = 0
        self._opened_ns = 0
        self._down_ns_max = 0
        self._down_since_ns: int | None = None

    def configure(self, failures_max: int, reset_ns: int, down_ns_max: int) -> None:
        """Take over the limits."""
        self._failures_max = failures_max
        self._reset_ns = reset_ns
        self._down_ns_max = down_ns_max

    def admits(self, now_ns: int) -> bool:
        """Whether a request may pass that comes now. Becoming half-open makes it the probe."""
        if self.state is BreakerState.OPEN and self._may_probe(now_ns):
            self.state = BreakerState.HALF_OPEN
            return True
        return self.is_closed

    def _may_probe(self, now_ns: int) -> bool:
        return self._down_since_ns is None and now_ns - self._opened_ns >= self._reset_ns

    def answered(self) -> None:
        """The storage runtime has answered a request."""
        self._failures = 0
        self.state = BreakerState.CLOSED
        self.is_closed = True
        self.is_in_doubt = False

    def timed_out(self, now_ns: int, *, is_probe: bool = False) -> None:
        """A request ran into its deadline. While a probe is under way only that one counts."""
        self.is_in_doubt = True
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            if is_probe:
                self._open(now_ns, "the probe was not answered either")
        elif self.is_closed and self._failures >= self._failures_max:
            self._open(now_ns, f"{self._failures} requests in a row were not answered in time")

    def went_down(self, now_ns: int) -> None:
        """There is no storage runtime any more. An open breaker goes on being open."""
        self._down_since_ns = now_ns
        if self.state is BreakerState.HALF_OPEN:
            self._open(now_ns, "the storage runtime stopped during the probe")

    def came_back(self) -> None:
        """Another storage runtime has recovered."""
        self._down_since_ns = None
        self.answered()

    def look(self, now_ns: int) -> None:
        """To be called some times a second: opens it when there is none for too long."""
        since_ns = self._down_since_ns
        if self.is_closed and since_ns is not None and now_ns - since_ns > self._down_ns_max:
            self._open(now_ns, "there is no storage runtime")

    def _open(self, now_ns: int, reason: str) -> None:
        if self.is_closed:
            self.opened_count += 1
        self.state = BreakerState.OPEN
        self.is_closed = False
        self.is_in_doubt = True
        self._opened_ns = now_ns
        self.reason = reason
