"""When a group closes: every branch of `decide`."""

from __future__ import annotations

import pytest

from kiwi_engine.commit.policy import (
    WIDENED_BYTES_MAX,
    BatchLimits,
    Commit,
    GroupFacts,
    LoadFacts,
    Wait,
    decide,
    widen,
    widened,
)

LIMITS = BatchLimits(requests_max=10, bytes_max=100, wait_ns=500)


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        (GroupFacts(1, 1, 0, log_busy=True), Wait(None)),
        (GroupFacts(9, 99, 10**12, log_busy=True), Wait(None)),
        (GroupFacts(10, 1, 0, log_busy=True), Commit("full")),
        (GroupFacts(11, 1, 0, log_busy=False), Commit("full")),
        (GroupFacts(1, 100, 0, log_busy=True), Commit("full")),
        (GroupFacts(1, 101, 0, log_busy=False), Commit("full")),
        (GroupFacts(1, 1, 0, log_busy=False), Wait(500)),
        (GroupFacts(1, 1, 499, log_busy=False), Wait(1)),
        (GroupFacts(1, 1, 500, log_busy=False), Commit("idle")),
        (GroupFacts(0, 0, 501, log_busy=False), Commit("idle")),
    ],
)
def test_decide(facts: GroupFacts, decision: Wait | Commit) -> None:
    assert decide(facts, LIMITS) == decision


def test_without_a_wait_an_idle_log_takes_a_group_at_once() -> None:
    facts = GroupFacts(1, 1, 0, log_busy=False)
    assert decide(facts, LIMITS._replace(wait_ns=0)) == Commit("idle")


@pytest.mark.parametrize(
    ("factor", "facts", "after"),
    [
        (1, LoadFacts(10, 0, 0.0), 1),
        (1, LoadFacts(0, 0, 0.0), 1),
        (1, LoadFacts(10, 4, 0.0), 1),
        (1, LoadFacts(10, 5, 0.0), 2),
        (2, LoadFacts(10, 10, 0.0), 4),
        (4, LoadFacts(10, 10, 0.0), 4),
        (4, LoadFacts(10, 4, 0.0), 4),
        (4, LoadFacts(10, 0, 0.0), 2),
        (2, LoadFacts(10, 0, 0.24), 1),
        (2, LoadFacts(10, 0, 0.25), 4),
        (1, LoadFacts(0, 0, 1.0), 2),
    ],
)
def test_bounds_widen_under_backlog_and_hot_keys_and_shrink_back(
    factor: int, facts: LoadFacts, after: int
) -> None:
    assert widen(factor, facts, 4) == after


def test_a_factor_of_one_is_no_widening() -> None:
    assert widen(1, LoadFacts(10, 10, 1.0), 1) == 1
    assert widened(LIMITS, 1) == LIMITS


def test_widened_bounds_stay_below_what_a_record_holds() -> None:
    assert widened(LIMITS, 4) == BatchLimits(40, 400, 500)
    large = LIMITS._replace(bytes_max=WIDENED_BYTES_MAX // 2)
    assert widened(large, 4).bytes_max == WIDENED_BYTES_MAX
    larger = LIMITS._replace(bytes_max=2 * WIDENED_BYTES_MAX)
    assert widened(larger, 4).bytes_max == 2 * WIDENED_BYTES_MAX
