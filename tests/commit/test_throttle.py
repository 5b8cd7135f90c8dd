"""The throttle as a table: where it enters and leaves, and how the rate moves."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from kiwi_engine.commit.throttle import (
    FREE,
    RATE_FALL,
    RATE_RISE,
    Limit,
    ThrottleFacts,
    ThrottleLimits,
    ThrottleState,
    assess,
    measures,
)
from kiwi_engine.commit.token_bucket import TokenBucket

LIMITS = ThrottleLimits(
    level_zero_files=Limit(8, 16),
    pending_compaction_bytes=Limit(1000, 2000),
    unflushed_memtables=Limit(2, 3),
    wal_bytes=Limit(400, 800),
    undrained_bytes=Limit(40, 60),
    write_buffer_bytes=Limit(75, 100),
    disk_reserve_bytes=1000,
    rate_min=100,
    rate_max=1600,
)
QUIET = ThrottleFacts(
    level_zero_files=0,
    pending_compaction_bytes=0,
    unflushed_memtables=0,
    write_stopped=False,
    wal_bytes=0,
    undrained_bytes=0,
    write_buffer_bytes=0,
    disk_free_bytes=10_000,
    written_rate=1e9,
)


def facts(**changes: Any) -> ThrottleFacts:
    return QUIET._replace(**changes)


def settled(found: ThrottleFacts, state: ThrottleState = FREE, rounds: int = 200) -> ThrottleState:
    """What many assessments of the same facts lead to."""
    for _ in range(rounds):
        state = assess(found, LIMITS, state)
    return state


@pytest.mark.parametrize(
    ("found", "name", "measure"),
    [
        (facts(), "none", ""),
        (facts(level_zero_files=7), "none", ""),
        (facts(level_zero_files=8), "slow", "level_zero_files"),
        (facts(level_zero_files=15), "slow", "level_zero_files"),
        (facts(level_zero_files=16), "stop", "level_zero_files"),
        (facts(pending_compaction_bytes=999), "none", ""),
        (facts(pending_compaction_bytes=1000), "slow", "pending_compaction_bytes"),
        (facts(pending_compaction_bytes=2000), "stop", "pending_compaction_bytes"),
        (facts(unflushed_memtables=1), "none", ""),
        (facts(unflushed_memtables=2), "slow", "unflushed_memtables"),
        (facts(unflushed_memtables=3), "stop", "unflushed_memtables"),
        (facts(wal_bytes=399), "none", ""),
        (facts(wal_bytes=400), "slow", "wal_bytes"),
        (facts(wal_bytes=800), "stop", "wal_bytes"),
        (facts(write_buffer_bytes=74), "none", ""),
        (facts(write_buffer_bytes=75), "slow", "write_buffer_bytes"),
        (facts(write_buffer_bytes=100), "stop", "write_buffer_bytes"),
        (facts(undrained_bytes=39), "none", ""),
        (facts(undrained_bytes=40), "slow", "undrained_bytes"),
        (facts(undrained_bytes=99), "slow", "undrained_bytes"),
        (facts(write_stopped=True), "slow", "index_refuses_writes"),
        (facts(disk_free_bytes=2001), "none", ""),
        (facts(disk_free_bytes=2000), "slow", "disk_free_bytes"),
        (facts(disk_free_bytes=0), "slow", "disk_free_bytes"),
    ],
)
def test_where_writers_are_slowed_down_and_stopped(
    found: ThrottleFacts, name: str, measure: str
) -> None:
    state = assess(found, LIMITS, FREE)
    assert state.name == name
    assert [reason.measure for reason in state.reasons] == ([measure] if measure else [])


def test_no_reserve_means_no_look_at_the_disk() -> None:
    limits = LIMITS._replace(disk_reserve_bytes=0)
    assert assess(facts(disk_free_bytes=0), limits, FREE) == FREE
    assert len(list(measures(QUIET, limits))) == len(list(measures(QUIET, LIMITS))) - 1


@pytest.mark.parametrize(
    ("before", "found", "after"),
    [
        (facts(level_zero_files=16), facts(level_zero_files=14), "stop"),
        (facts(level_zero_files=16), facts(level_zero_files=13), "slow"),
        (facts(level_zero_files=8), facts(level_zero_files=6), "slow"),
        (facts(level_zero_files=16), facts(level_zero_files=6), "slow"),
        (facts(write_buffer_bytes=100), facts(write_buffer_bytes=94), "stop"),
        (facts(write_buffer_bytes=100), facts(write_buffer_bytes=93), "slow"),
        (facts(disk_free_bytes=2000), facts(disk_free_bytes=2500), "slow"),
    ],
)
def test_a_limit_is_left_below_where_it_was_entered(
    before: ThrottleFacts, found: ThrottleFacts, after: str
) -> None:
    state = assess(found, LIMITS, assess(before, LIMITS, FREE))
    assert state.name == after
    assert state.reasons, "it is held, not only recovering"


@pytest.mark.parametrize(
    "found", [facts(level_zero_files=5), facts(disk_free_bytes=2501), facts(level_zero_files=0)]
)
def test_slow_ends_when_nothing_holds_it_and_the_rate_is_back(found: ThrottleFacts) -> None:
    state = settled(facts(level_zero_files=15, disk_free_bytes=1900))
    seen = []
    while state.name != "none":
        before, state = state, assess(found, LIMITS, state)
        seen.append(before.rate)
        assert len(seen) < 100
    assert state == FREE
    assert seen == sorted(seen)
    assert all(after <= before * RATE_RISE * 1.001 for before, after in pairwise(seen))
    assert seen[-1] * RATE_RISE >= LIMITS.rate_max
    assert assess(found, LIMITS, ThrottleState("slow", 200.0, ())).why == "recovering"


def test_one_measure_in_its_margin_does_not_hold_back_for_another() -> None:
    """Files are below the limit that they never reached; the log is what slowed writers down."""
    state = assess(facts(wal_bytes=500, level_zero_files=7), LIMITS, FREE)
    state = assess(facts(wal_bytes=0, level_zero_files=7), LIMITS, state)
    assert not state.reasons


def test_the_rate_falls_by_equal_factors_between_the_limits() -> None:
    rates = [settled(facts(level_zero_files=files)).rate for files in (8, 10, 12, 14)]
    assert rates == pytest.approx([1600, 800, 400, 200])


def test_the_worst_measure_decides() -> None:
    state = settled(facts(level_zero_files=10, wal_bytes=700))
    assert state.rate == pytest.approx(settled(facts(wal_bytes=700)).rate)
    assert {reason.measure for reason in state.reasons} == {"level_zero_files", "wal_bytes"}


def test_a_stalled_index_leaves_the_lowest_rate() -> None:
    assert settled(facts(write_stopped=True)).rate == LIMITS.rate_min


def test_the_rate_moves_in_steps() -> None:
    state = FREE
    for _ in range(5):
        before, state = state, assess(facts(level_zero_files=15), LIMITS, state)
        rate = before.rate or LIMITS.rate_max
        assert state.rate == pytest.approx(rate * RATE_FALL)
    for _ in range(3):
        before, state = state, assess(facts(level_zero_files=8), LIMITS, state)
        assert state.rate == pytest.approx(before.rate * RATE_RISE)


@pytest.mark.parametrize(("written", "rate"), [(500.0, 350.0), (1e9, 1120.0), (0.0, 110.0)])
def test_slowing_down_begins_with_what_was_written_lately(written: float, rate: float) -> None:
    state = assess(facts(level_zero_files=15, written_rate=written), LIMITS, FREE)
    assert state.rate == pytest.approx(rate)


def test_after_a_stop_writing_begins_slowly() -> None:
    stopped = settled(facts(level_zero_files=16))
    assert (stopped.name, stopped.rate) == ("stop", LIMITS.rate_min)
    assert assess(facts(level_zero_files=9), LIMITS, stopped).rate <= LIMITS.rate_min * RATE_RISE


def test_what_stops_is_named_first() -> None:
    state = assess(facts(level_zero_files=9, write_buffer_bytes=100), LIMITS, FREE)
    assert [reason.level for reason in state.reasons] == ["stop", "slow"]
    assert state.why == (
        "write_buffer_bytes 100 (slow from 75, stop at 100); "
        "level_zero_files 9 (slow from 8, stop at 16)"
    )
    poor = assess(facts(disk_free_bytes=1500), LIMITS, FREE)
    assert poor.why == "disk_free_bytes 1500 (slow below 2000, slowest at 1000)"


@pytest.mark.parametrize("limit", [Limit(1, 1), Limit(1, 2), Limit(5, 1)])
def test_absurd_limits_still_let_go(limit: Limit) -> None:
    limits = LIMITS._replace(level_zero_files=limit, rate_min=10**9, rate_max=1)
    state = assess(facts(level_zero_files=5), limits, FREE)
    assert state.name == "stop"
    for _ in range(5):
        state = assess(facts(), limits, state)
    assert state == FREE


def test_the_bucket_gives_what_the_rate_brings() -> None:
    bucket = TokenBucket()
    bucket.reset(0)
    now_ns = sent = 0
    for _ in range(1000):
        now_ns += 10_000_000
        bucket.refill(1000.0, now_ns)
        while bucket.wait_s(1000.0, 0) == 0:
            bucket.spend(7)
            sent += 7
    assert sent == pytest.approx(10_000, rel=0.01)


def test_what_is_open_counts_as_spent() -> None:
    bucket = TokenBucket()
    bucket.reset(0)
    assert bucket.wait_s(100.0, 0) == 0
    assert bucket.wait_s(100.0, 50) == 0.5


def test_neither_savings_nor_debts_grow_without_bound() -> None:
    bucket = TokenBucket()
    bucket.reset(0)
    bucket.refill(100.0, 3600 * 10**9)
    assert bucket.wait_s(100.0, 5) == 0
    assert bucket.wait_s(100.0, 10) == pytest.approx(0.05)
    bucket.spend(10**9)
    bucket.refill(100.0, 3600 * 10**9)
    assert bucket.wait_s(100.0, 0) == pytest.approx(5.0)
