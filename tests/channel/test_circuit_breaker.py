"""When the circuit breaker opens, what it lets through, and what closes it."""

from __future__ import annotations

import pytest

from kiwi_engine.channel.circuit_breaker import BreakerState, CircuitBreaker

RESET_NS = 100
DOWN_NS = 1000


def new_breaker(failures_max: int = 3) -> CircuitBreaker:
    breaker = CircuitBreaker()
    breaker.configure(failures_max, RESET_NS, DOWN_NS)
    return breaker


def open_breaker(now_ns: int = 0) -> CircuitBreaker:
    breaker = new_breaker()
    for _ in range(3):
        breaker.timed_out(now_ns)
    assert breaker.state is BreakerState.OPEN
    return breaker


def test_only_failures_in_a_row_open_it() -> None:
    breaker = new_breaker()
    for _ in range(5):
        breaker.timed_out(0)
        breaker.timed_out(0)
        assert breaker.is_in_doubt
        breaker.answered()
        assert breaker.is_closed
        assert not breaker.is_in_doubt
    for _ in range(3):
        assert breaker.admits(0)
        breaker.timed_out(0)
    assert not breaker.is_closed
    assert breaker.opened_count == 1
    assert breaker.reason == "3 requests in a row were not answered in time"


def test_one_probe_passes_after_a_while() -> None:
    breaker = open_breaker(now_ns=50)
    assert not breaker.admits(50 + RESET_NS - 1)
    assert breaker.admits(50 + RESET_NS)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.is_closed
    assert not breaker.admits(10**9), "there is one probe"


@pytest.mark.parametrize("is_probe", [True, False])
def test_only_the_probe_opens_it_again(is_probe: bool) -> None:
    breaker = open_breaker()
    breaker.admits(RESET_NS)
    breaker.timed_out(500, is_probe=is_probe)
    assert breaker.state is (BreakerState.OPEN if is_probe else BreakerState.HALF_OPEN)
    assert breaker.opened_count == 1, "it was never closed in between"
    assert breaker.admits(500 + RESET_NS) is is_probe


@pytest.mark.parametrize("probes", [False, True])
def test_any_answer_closes_it(probes: bool) -> None:
    breaker = open_breaker()
    if probes:
        breaker.admits(RESET_NS)
    breaker.answered()
    assert breaker.is_closed
    assert breaker.admits(0)
    breaker.timed_out(0)
    assert breaker.is_closed, "failures are counted anew"


def test_a_long_absence_opens_it_and_no_probe_passes_then() -> None:
    breaker = new_breaker()
    breaker.went_down(10)
    breaker.look(10 + DOWN_NS)
    assert breaker.is_closed, "a restart takes less"
    breaker.look(11 + DOWN_NS)
    assert breaker.state is BreakerState.OPEN
    assert breaker.reason == "there is no storage runtime"
    assert not breaker.admits(10**9)
    breaker.look(10**9)
    assert breaker.opened_count == 1
    breaker.came_back()
    assert breaker.is_closed
    breaker.look(10**12)
    assert breaker.is_closed


def test_a_storage_runtime_that_dies_of_the_probe() -> None:
    breaker = open_breaker()
    breaker.admits(RESET_NS)
    breaker.went_down(200)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.admits(10**9), "there is nothing to probe"
    breaker.came_back()
    assert breaker.is_closed
