"""Removals wait for the views that are older than they."""

from __future__ import annotations

from kiwi_engine.engine.pins import Pins


def test_a_removal_waits_for_older_pins_only() -> None:
    pins = Pins()
    assert pins.is_past(pins.now())
    older = pins.take("snapshot")
    moment = pins.now()
    younger = pins.take("backup")
    assert not pins.is_past(moment)
    assert pins.counts() == {"snapshot": 1, "backup": 1}
    older.release()
    older.release()
    assert pins.is_past(moment)
    assert not pins.is_past(pins.now())
    with younger:
        pass
    assert pins.is_past(pins.now())
    assert pins.counts() == {}
