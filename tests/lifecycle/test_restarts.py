"""How often, and after which pause, a runtime is started again."""

from __future__ import annotations

from kiwi_engine.server.lifecycle.restarts import (
    PAUSE_FIRST_S,
    PAUSE_MAX_S,
    STEADY_NS,
    Backoff,
    RestartBudget,
)

WINDOW = 1000


def test_the_pause_grows_with_deaths_in_a_row() -> None:
    backoff = Backoff()
    pauses = [backoff.next_pause_s() for _ in range(12)]
    assert pauses[:4] == [0.0, PAUSE_FIRST_S, 2 * PAUSE_FIRST_S, 4 * PAUSE_FIRST_S]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX_S


def test_who_lived_long_enough_is_started_at_once() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.next_pause_s()
    backoff.died(STEADY_NS)
    assert backoff.next_pause_s() > 0
    backoff.died(STEADY_NS + 1)
    assert backoff.next_pause_s() == 0


def test_a_budget_is_spent_and_comes_back_bit_by_bit() -> None:
    budget = RestartBudget()
    assert [budget.spend(now, 3, WINDOW) for now in (0, 10, 20, 30)] == [True, True, True, False]
    assert budget.left(999, 3, WINDOW) == 0
    assert budget.left(1000, 3, WINDOW) == 1
    assert [budget.spend(now, 3, WINDOW) for now in (1000, 1005, 1010)] == [True, False, True]


def test_what_was_refused_costs_nothing() -> None:
    budget = RestartBudget()
    assert budget.spend(0, 1, WINDOW)
    for now in range(1, WINDOW):
        assert not budget.spend(now, 1, WINDOW)
    assert budget.spend(WINDOW, 1, WINDOW)


def test_both_bounds_may_change() -> None:
    budget = RestartBudget()
    assert not budget.spend(0, 0, WINDOW), "0: not once"
    assert all(budget.spend(number, 5, WINDOW) for number in range(5))
    assert budget.left(5, 7, WINDOW) == 2
    assert budget.left(5, 2, WINDOW) == 0
    assert budget.left(5, 5, 3) == 3
