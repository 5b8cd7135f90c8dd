"""What statistics tell of the value log and of its collection."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from kiwi_engine.engine.collection.facts import value_log_facts
from tests.engine.collector_world import (
    LIVE_KEYS,
    NEVER,
    SETTINGS,
    check,
    collector_of,
    half_dead,
    new_life,
    settle,
    step_until_read,
)
from tests.engine.stepped import tiny_steps


@pytest.fixture(autouse=True)
def stepped() -> Iterator[None]:
    with tiny_steps():
        yield


def test_an_empty_log_has_no_amplification() -> None:
    facts = value_log_facts(new_life().engine)
    assert (facts["live_bytes"], facts["space_amplification"]) == (0, 0.0)
    assert (facts["gc_state"], facts["gc_segment"]) == ("idle", 0)


def test_what_is_dead_is_counted() -> None:
    life = new_life(collection=NEVER)
    half_dead(life)
    facts = value_log_facts(life.engine)
    entries, survey = 9, collector_of(life).survey
    entry_bytes = survey.entry_bytes() // entries
    assert facts["values"] == entries
    assert facts["discarded_bytes"] == 2 * entry_bytes
    assert facts["discarded_bytes_estimated"] == 0
    assert facts["live_bytes"] == 7 * entry_bytes
    assert isinstance(facts["disk_bytes"], int)
    assert facts["space_amplification"] == round(facts["disk_bytes"] / (7 * entry_bytes), 3)


def test_a_collection_can_be_watched() -> None:
    life = new_life()
    half_dead(life)
    step_until_read(life)
    facts = value_log_facts(life.engine)
    assert (facts["gc_state"], facts["gc_segment"]) == ("rewriting", 1)
    settle(life)
    facts = value_log_facts(life.engine)
    assert (facts["gc_state"], facts["gc_segment"]) == ("idle", 0)
    assert facts["gc_segments_collected"] == 1
    assert facts["gc_values_rewritten"] == len(LIVE_KEYS)
    assert facts["gc_last_error"] == ""
    check(life)


def test_the_limit_and_what_was_asked_for() -> None:
    life = new_life(collection=NEVER)
    collector_of(life).collect(0.5)
    facts = value_log_facts(life.engine)
    assert (facts["gc_rate"], facts["gc_asked_for"]) == (-1, 1), "-1: no limit"
    limited = msgspec.structs.replace(NEVER, rate=30)
    life.engine.configure(msgspec.structs.replace(SETTINGS, collection=limited))
    assert value_log_facts(life.engine)["gc_rate"] == 30


def test_pins_are_counted_by_kind() -> None:
    life = new_life()
    take = life.engine.pins.take
    pins = [take("backup"), take("read"), take("read")]
    facts = value_log_facts(life.engine)
    assert (facts["pins_backup"], facts["pins_read"]) == (1, 2)
    for pin in pins:
        pin.release()
    assert not [name for name in value_log_facts(life.engine) if name.startswith("pins_")]
