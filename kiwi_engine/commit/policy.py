"""When does a group stop growing? (pure)

A group grows while the previous one is being synced: that is the batching, and it needs no timer.
It closes when the log thread is free, or when a bound is reached. `write-batch-wait` may hold a
small group back a little longer; its default is 0, because a fixed pause costs every lone client
its latency and gains a busy server nothing.

Where groups keep filling up, or where one key is written again and again (the record of a group
holds its last value only), larger groups save syncs and bytes: the bounds then widen by doubling,
and shrink back when it is over.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# A key with this part of all writes makes wider groups worth while.
HOT_SHARE: Final = 0.25
# Widening stops here, well below what one log record can hold.
WIDENED_BYTES_MAX: Final = 256 * 1024 * 1024


class BatchLimits(NamedTuple):
    """Bounds of a group; all three may be changed while the engine runs."""

    requests_max: int
    bytes_max: int
    wait_ns: int


class GroupFacts(NamedTuple):
    """What is known about the open group."""

    requests: int
    bytes: int
    age_ns: int
    log_busy: bool


class LoadFacts(NamedTuple):
    """What was seen lately: groups, those that closed full, the share of the hottest key."""

    groups: int
    groups_full: int
    hot_share: float


class Wait(NamedTuple):
    """Keep the group open: for at most `wait_ns`, or until the log thread is free if None."""

    wait_ns: int | None


class Commit(NamedTuple):
    """Close the group; `reason` is one of "full", "idle"."""

    reason: str


def decide(facts: GroupFacts, limits: BatchLimits) -> Wait | Commit:
    """The commit policy: see the module docstring."""
    if facts.requests >= limits.requests_max or facts.bytes >= limits.bytes_max:
        return Commit("full")
    if facts.log_busy:
        return Wait(None)
    if facts.age_ns < limits.wait_ns:
        return Wait(limits.wait_ns - facts.age_ns)
    return Commit("idle")


def widen(factor: int, facts: LoadFacts, factor_max: int) -> int:
    """The factor of the bounds that follows `factor`: twice as much, as it is, or half."""
    fills_up = facts.groups_full > 0 and 2 * facts.groups_full >= facts.groups
    if fills_up or facts.hot_share >= HOT_SHARE:
        return min(2 * factor, factor_max)
    return factor if facts.groups_full else max(1, factor // 2)


def widened(limits: BatchLimits, factor: int) -> BatchLimits:
    """The bounds, `factor` times as wide."""
    bytes_max = max(limits.bytes_max, min(limits.bytes_max * factor, WIDENED_BYTES_MAX))
    return limits._replace(requests_max=limits.requests_max * factor, bytes_max=bytes_max)
