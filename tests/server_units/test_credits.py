"""How long connections are held back, in sum."""

from __future__ import annotations

from kiwi_engine.server.network.slots import ReplyLine, Slot
from kiwi_engine.server.network.storage_client.credits import Credits


def test_the_time_in_which_anybody_is_held_back_is_counted_once() -> None:
    now_ns = 0
    bounds = Credits(lambda: now_ns)
    bounds.requests_max, bounds.bytes_max = 2, 100
    durations: list[int] = []
    resumed: list[int] = []
    bounds.on_relief = durations.append
    slots = [Slot(ReplyLine(lambda encoded: None), [[b"get", b"k"]]) for _ in range(3)]
    assert [bounds.owe(slot) for slot in slots] == [True, False, False]
    for number in (1, 2):
        now_ns += 10
        bounds.when_relieved(slots[number].line, lambda number=number: resumed.append(number))  # type: ignore[misc]
    assert bounds.held_back == 2
    now_ns = 50
    assert bounds.held_back_ns() == 40
    bounds.settle(slots[2])
    assert (resumed, durations) == ([2], []), "its own run is answered"
    now_ns = 60
    bounds.settle(slots[0])
    bounds.relieve()
    assert (resumed, durations) == ([2, 1], [50])
    assert bounds.held_back_ns() == 0
    bounds.relieve()
    assert durations == [50]
