"""What may follow what, and what is remembered of it."""

from __future__ import annotations

import pytest

from kiwi_engine.server.lifecycle.states import HISTORY_MAX, RuntimeStates, State

STATES: tuple[State, ...] = ("starting", "running", "degraded", "recovering", "stopped")
# How each state is reached from the start.
WAYS: dict[State, tuple[State, ...]] = {
    "starting": (),
    "running": ("running",),
    "degraded": ("running", "degraded"),
    "recovering": ("running", "recovering"),
    "stopped": ("stopped",),
}
ALLOWED = {
    ("starting", "running"),
    ("starting", "recovering"),
    ("starting", "stopped"),
    ("running", "degraded"),
    ("running", "recovering"),
    ("running", "stopped"),
    ("degraded", "running"),
    ("degraded", "recovering"),
    ("degraded", "stopped"),
    ("recovering", "running"),
    ("recovering", "stopped"),
}


def in_state(state: State) -> RuntimeStates:
    states = RuntimeStates(0)
    for step in WAYS[state]:
        states.change("storage", step, "", 0, 0)
    assert states.of("storage").state == state
    return states


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_only_these_changes_are_possible(before: State, after: State) -> None:
    states = in_state(before)
    if before == after:
        assert not states.change("storage", after, "", 1, 1)
    elif (before, after) in ALLOWED:
        assert states.change("storage", after, "", 1, 1)
        assert states.of("storage").state == after
    else:
        with pytest.raises(AssertionError, match=f"storage: {before} -> {after}"):
            states.change("storage", after, "", 1, 1)
        assert states.of("storage").state == before


def test_another_reason_is_news_but_no_new_state() -> None:
    states = in_state("running")
    assert states.change("storage", "degraded", "busy", 10, 1)
    assert not states.change("storage", "degraded", "busy", 20, 2)
    assert states.change("storage", "degraded", "waits for the disk", 30, 3)
    assert states.of("storage") == ("degraded", "waits for the disk", 10)
    assert states.change("storage", "running", "", 40, 4)
    assert states.of("storage") == ("running", "", 40)


def test_the_runtimes_are_apart_and_share_a_history() -> None:
    states = RuntimeStates(0)
    states.change("storage", "running", "process 7", 5, 1_700_000_000_123)
    states.change("network", "running", "", 6, 1_700_000_000_124)
    states.change("storage", "recovering", "it died", 7, 1_700_000_000_125)
    assert states.of("network").state == "running"
    assert states.of("storage").state == "recovering"
    assert [change.text for change in states.history] == [
        "2023-11-14T22:13:20.123+00:00 storage running: process 7",
        "2023-11-14T22:13:20.124+00:00 network running",
        "2023-11-14T22:13:20.125+00:00 storage recovering: it died",
    ]


def test_the_history_is_short() -> None:
    states = in_state("running")
    for number in range(HISTORY_MAX):
        states.change("storage", "degraded", str(number), 0, number)
        states.change("storage", "running", "", 0, number)
    assert len(states.history) == HISTORY_MAX
    assert states.history[0].at_ms == HISTORY_MAX // 2
