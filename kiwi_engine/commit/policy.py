"""When does a group stop growing? (pure)

A group grows while the previous one is being synced: that is the batching, and it needs no timer.
It closes when the log thread is free, or when a bound is reached. `write-batch-wait` may hold a
small group back a little longer; its default is 0, because a fixed pause costs every lone client
its latency and gains a busy server nothing.
"""

from __future__ import annotations

from typing import NamedTuple


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
