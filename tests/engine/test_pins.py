"""Removals wait for the views that are older than they."""

from __future__ import annotations

from kiwi_engine.engine.pins import Pin, Pins


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


def test_a_pin_that_nobody_holds_is_released() -> None:
    pins = Pins()
    dropped, kept = pins.take("snapshot"), pins.take("iterator")
    moment = pins.now()
    del dropped
    assert pins.counts() == {"iterator": 1}
    assert not pins.is_past(moment)
    del kept
    assert pins.is_past(moment)


def test_a_pin_that_is_opened_late_counts_from_then() -> None:
    pins, pin = Pins(), Pin("read")
    moment = pins.now()
    assert pins.counts() == {}
    pins.open(pin)
    assert pins.is_past(moment)
    assert not pins.is_past(pins.now())
    pin.is_open = False
    assert pins.is_past(pins.now())


def test_released_pins_do_not_pile_up_behind_an_old_one() -> None:
    pins = Pins()
    oldest = pins.take("snapshot")
    moment = pins.now()
    others = []
    for number in range(10_000):
        pin = pins.take("read")
        if number % 1000:
            pin.release()
        else:
            others.append(pin)
    assert len(pins._entries) < 200
    assert pins.counts() == {"snapshot": 1, "read": 10}
    later = pins.now()
    oldest.release()
    assert pins.is_past(moment)
    assert not pins.is_past(later)
    for pin in others:
        pin.release()
    assert pins.is_past(later)
