"""When a group closes: every branch of `decide`."""

from __future__ import annotations

import pytest

from kiwi_engine.commit.policy import BatchLimits, Commit, GroupFacts, Wait, decide

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
