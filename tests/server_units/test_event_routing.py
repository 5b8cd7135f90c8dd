"""Events reach their receivers, and a receiver that fails hurts nobody else."""

from __future__ import annotations

import pytest

from kiwi_engine.channel.events import Event, Flushed, Published, WatchBroken
from kiwi_engine.server.network.event_routing import EventRouting


def test_each_kind_has_its_receiver() -> None:
    routing = EventRouting()
    seen: list[Event] = []
    routing.register(Flushed, seen.append)
    routing.register(WatchBroken, seen.append)
    for event in (Flushed(1), Published(b"c", b"m"), WatchBroken([2])):
        routing.take(event)
    assert seen == [Flushed(1), WatchBroken([2])]


def test_a_receiver_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The link to the storage runtime would end with it, and all clients would hang."""
    routing = EventRouting()

    def fail(event: Flushed) -> None:
        raise ZeroDivisionError

    routing.register(Flushed, fail)
    routing.take(Flushed(1))
    assert "Flushed(by=1)" in caplog.text
