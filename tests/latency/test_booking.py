"""What a row of commands took is booked on it alone, whatever is executed next."""

from __future__ import annotations

import pytest

from kiwi_engine.channel.events import Event, SlowCommand
from kiwi_engine.commands import executor as module
from tests.commands.helpers import NOW, Session

MILLISECOND_NS = 1_000_000


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """The clock goes on by a millisecond with each reading."""
    readings = iter(range(0, 10**12, MILLISECOND_NS))
    monkeypatch.setattr(module, "perf_counter_ns", lambda: next(readings))
    return Session()


def test_a_row_in_front_of_a_transaction_is_not_charged_with_it(session: Session) -> None:
    """It was: the slow command's time, and its words, were told of the GETs before it, too."""
    executor, told = session.executor, list[Event]()
    executor.emit = told.append
    executor.slowness.configure(MILLISECOND_NS / 1000)
    executor.execute(0, False, [[b"get", b"k"]] * 5, NOW, 1)
    executor.transact(0, False, [[b"set", b"k", b"v"]] * 3, NOW, 2)
    executor.execute(0, False, [[b"get", b"k"]] * 2, NOW, 3)
    executor.account()
    usage = {name: (each.calls, each.time_ns) for name, each in executor.usage.items()}
    assert usage == {"get": (7, 2 * MILLISECOND_NS), "set": (3, 3 * MILLISECOND_NS)}
    slow = [(each.source, each.name) for each in told if isinstance(each, SlowCommand)]
    assert slow == [(1, "get"), (2, "set"), (2, "set"), (2, "set"), (3, "get")]
