"""May writes run, how fast, or must they wait? (pure)

    none   nothing is behind
    slow   all writers together may write `rate` bytes a second
    stop   writers wait until something has caught up

A *measure* is a figure that grows while something cannot keep up. From its slow limit on it slows
writers down, the more so the nearer it comes to its stop limit: the rate aimed at falls from
`rate_max` to `rate_min` by equal factors, and the rate in force follows it in steps, from what was
written lately, down faster than up. Each limit is left only a good way below the point where it was
entered, and `slow` only once the rate is back at `rate_max`: writers feel no saw-tooth. Reads are
not asked for here: they are never held back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

Level = Literal["none", "slow", "stop"]

# Per assessment: how far the rate may fall and rise. It falls on while writers are stopped.
RATE_FALL: Final = 0.7
RATE_RISE: Final = 1.1
# A limit is left this share below where it was entered.
_LEAVE_SHARE: Final = 0.25


class Limit(NamedTuple):
    """Where a measure begins to slow writers down, and where it stops them."""

    slow: int
    stop: int


class ThrottleLimits(NamedTuple):
    """Rates are bytes a second. `disk_reserve_bytes` 0: free disk space is not looked at."""

    level_zero_files: Limit
    pending_compaction_bytes: Limit
    unflushed_memtables: Limit
    wal_bytes: Limit
    undrained_bytes: Limit
    write_buffer_bytes: Limit
    disk_reserve_bytes: int
    rate_min: int
    rate_max: int


class ThrottleFacts(NamedTuple):
    """What is measured.

    `write_stopped` is RocksDB's own refusal to take anything. `undrained_bytes` is that part of
    `write_buffer_bytes` which is not in the index yet: the memory of the rest is let go at the end
    of its drain only. `written_rate` is bytes a second lately.
    """

    level_zero_files: int
    pending_compaction_bytes: int
    unflushed_memtables: int
    write_stopped: bool
    wal_bytes: int
    undrained_bytes: int
    write_buffer_bytes: int
    disk_free_bytes: int
    written_rate: float


class Measure(NamedTuple):
    """A figure beside its limits. One that gets worse as it falls is negative, and so are they.

    Without `may_stop` its stop limit is only where writers are slowest.
    """

    name: str
    value: int
    slow: int
    stop: int
    may_stop: bool = True

    @property
    def text(self) -> str:
        """For people: "13 (slow from 12, stop at 20)"."""
        word = "below" if self.slow < 0 else "from"
        end = "stop" if self.may_stop else "slowest"
        return f"{abs(self.value)} (slow {word} {abs(self.slow)}, {end} at {abs(self.stop)})"


class Reason(NamedTuple):
    """A measure that holds writers back, and how much."""

    measure: str
    level: Level
    text: str


class ThrottleState(NamedTuple):
    """`rate`: bytes a second while `name` is slow; in `stop`, where slow would go on from."""

    name: Level
    rate: float
    reasons: tuple[Reason, ...]

    @property
    def why(self) -> str:
        """All reasons in one line."""
        if self.name == "slow" and not self.reasons:
            return "recovering"
        return "; ".join(reason.text for reason in self.reasons)


FREE: Final = ThrottleState("none", 0.0, ())


def measures(facts: ThrottleFacts, limits: ThrottleLimits) -> Iterator[Measure]:
    """Everything that can hold writers back, as it is now."""
    for name in (
        "level_zero_files",
        "pending_compaction_bytes",
        "unflushed_memtables",
        "wal_bytes",
        "write_buffer_bytes",
    ):
        limit: Limit = getattr(limits, name)
        yield Measure(name, getattr(facts, name), limit.slow, limit.stop)
    # The write buffer can take more for a while; when it is full, that is what stops writers.
    limit = limits.undrained_bytes
    yield Measure("undrained_bytes", facts.undrained_bytes, *limit, may_stop=False)
    yield Measure("index_refuses_writes", int(facts.write_stopped), 1, 1, may_stop=False)
    reserve = limits.disk_reserve_bytes
    if reserve:
        # Below the reserve writes are refused, which waiting could not help.
        yield Measure(
            "disk_free_bytes", -facts.disk_free_bytes, -2 * reserve, -reserve, may_stop=False
        )


def assess(facts: ThrottleFacts, limits: ThrottleLimits, previous: ThrottleState) -> ThrottleState:
    """The state that follows `previous`; to be called at equal intervals."""
    held = {reason.measure: reason.level for reason in previous.reasons}
    reasons: list[Reason] = []
    worst = 0.0
    for measure in measures(facts, limits):
        level = _level(measure, held.get(measure.name, "none"))
        if level != "none":
            reasons.append(Reason(measure.name, level, f"{measure.name} {measure.text}"))
            worst = max(worst, _pressure(measure))
    stopped = tuple(reason for reason in reasons if reason.level == "stop")
    rate = _next_rate(previous, 1.0 if stopped else worst, facts.written_rate, limits)
    if stopped:
        # The worst ones first.
        others = tuple(reason for reason in reasons if reason.level != "stop")
        return ThrottleState("stop", rate, stopped + others)
    if not reasons and (previous.name == "none" or rate >= limits.rate_max):
        return FREE
    return ThrottleState("slow", rate, tuple(reasons))


def _level(measure: Measure, before: Level) -> Level:
    stop_at: float = measure.stop
    if before == "stop":
        stop_at -= max(0, measure.stop - measure.slow) * _LEAVE_SHARE
    if measure.may_stop and measure.value >= stop_at:
        return "stop"
    slow_at: float = measure.slow
    if before != "none":
        slow_at -= abs(measure.slow) * _LEAVE_SHARE
    return "slow" if measure.value >= slow_at else "none"


def _pressure(measure: Measure) -> float:
    """0.0 at the slow limit or below, 1.0 at the stop limit or above."""
    if measure.value >= measure.stop:
        return 1.0
    return max(0.0, (measure.value - measure.slow) / (measure.stop - measure.slow))


def _next_rate(
    previous: ThrottleState, pressure: float, written_rate: float, limits: ThrottleLimits
) -> float:
    highest = float(limits.rate_max)
    lowest = float(min(limits.rate_min, limits.rate_max))
    rate = previous.rate
    if previous.name == "none":
        rate = max(lowest, min(highest, written_rate))
    wanted: float = highest * (lowest / highest) ** pressure
    if wanted < rate:
        return max(wanted, rate * RATE_FALL)
    return min(wanted, rate * RATE_RISE)
