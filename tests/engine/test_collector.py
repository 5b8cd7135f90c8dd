"""Collecting value-log segments, step by step: what is moved, what wins, what stays."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from kiwi_engine.engine.collection import collector as collector_module
from kiwi_engine.engine.settings import CollectionSettings
from kiwi_engine.testing.fault_plan import FailAt, Fault
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.vlog.collection import CollectionLimits
from tests.engine.collector_world import (
    DEAD_KEYS,
    KEYS_OF_ONE_SEGMENT,
    LIVE_KEYS,
    NEVER,
    check,
    collector_of,
    drain,
    half_dead,
    new_life,
    put,
    segments,
    settle,
    step_until_read,
)
from tests.engine.model import (
    Life,
)
from tests.engine.stepped import tiny_steps


@pytest.fixture(autouse=True)
def stepped() -> Iterator[None]:
    with tiny_steps():
        yield


# ---- what is collected


def test_a_half_dead_segment_is_emptied_and_removed() -> None:
    life = new_life()
    half_dead(life)
    settle(life)
    assert 1 not in segments(life)
    statistics = collector_of(life).statistics
    assert statistics.values_rewritten == len(LIVE_KEYS)
    assert statistics.segments_collected == 1
    assert statistics.bytes_freed > 4 * 30
    assert collector_of(life).state() == "idle"
    check(life)


def test_a_live_segment_is_left_alone() -> None:
    life = new_life()
    put(life, *LIVE_KEYS, b"b0", b"b1", b"b2")
    settle(life)
    assert segments(life)[0] == 1
    assert collector_of(life).statistics.values_rewritten == 0


def test_below_the_threshold_nothing_happens_until_the_total_is_too_high() -> None:
    life = new_life(collection=NEVER)
    half_dead(life)
    settle(life)
    assert 1 in segments(life)
    limits = CollectionLimits(1.0, 0.1)
    collection = CollectionSettings(limits=limits, rate=0)
    life.engine.configure(msgspec.structs.replace(life.settings, collection=collection))
    settle(life)
    assert 1 not in segments(life)
    check(life)


def test_a_wholly_dead_segment_is_removed_without_rewriting() -> None:
    life = new_life(collection=NEVER)
    put(life, *KEYS_OF_ONE_SEGMENT)
    put(life, *KEYS_OF_ONE_SEGMENT, b"c0")
    settle(life)
    assert segments(life)[0] == 2
    assert collector_of(life).statistics.values_rewritten == 0
    check(life)


def test_on_demand_even_a_little_is_collected() -> None:
    life = new_life(collection=NEVER)
    half_dead(life)
    settle(life)
    collector_of(life).collect(0.1)
    assert collector_of(life).is_collecting
    settle(life)
    assert 1 not in segments(life)
    assert not collector_of(life).is_collecting
    check(life)


def test_on_demand_the_segment_being_written_is_completed_and_collected() -> None:
    life = new_life(collection=NEVER, value_segment_bytes=1000)
    put(life, *LIVE_KEYS, *DEAD_KEYS, *DEAD_KEYS, *DEAD_KEYS)
    settle(life)
    assert life.engine.opened.values.active_segment == 1
    collector_of(life).collect(0.5)
    settle(life)
    assert not collector_of(life).is_collecting
    put(life, b"c0")
    collector_of(life).collect(0.5)
    settle(life)
    assert segments(life) == [2]
    check(life)


def test_values_below_a_new_threshold_move_into_the_index() -> None:
    life = new_life()
    half_dead(life)
    life.engine.configure(msgspec.structs.replace(life.settings, value_threshold=100))
    settle(life)
    assert 1 not in segments(life)
    check(life)


# ---- who wins


@pytest.mark.parametrize(
    "change",
    [
        ("put", b"a0", b"small"),
        ("put", b"a0", b"a newer and large value, too"),
        ("delete", b"a0", b""),
        ("range", b"a", b"b"),
        ("range", b"a0", b"a1"),
    ],
)
@pytest.mark.parametrize("drained", [False, True])
def test_a_newer_change_always_wins(change: Any, drained: bool) -> None:
    life = new_life()
    half_dead(life)
    step_until_read(life)
    life.request([change])
    if drained:
        life.pipeline.wait_idle()
        drain(life)
    settle(life)
    assert collector_of(life).statistics.values_skipped >= 1
    assert 1 not in segments(life)
    check(life)


def test_a_value_that_comes_back_after_a_range_deletion_stays() -> None:
    life = new_life()
    half_dead(life)
    step_until_read(life)
    life.request([("range", b"a", b"b")])
    put(life, b"a1")
    settle(life)
    check(life)


def test_a_change_that_could_not_be_committed_gives_the_value_back() -> None:
    """It won the comparison, then its group failed: the old value is live again."""
    life = new_life()
    half_dead(life)
    step_until_read(life)
    life.request([("delete", b"a0", b""), ("put", b"c3", b"large enough for the value log")])
    life.fs.watch = FailAt(1, Fault(errno.ENOSPC), kinds=frozenset({"write"}))
    collector_of(life).maintain()
    assert collector_of(life).statistics.values_skipped == 1
    life.pipeline.wait_idle()
    life.request([])
    settle(life)
    assert life.engine.store.get(b"a0") is not None
    assert 1 not in segments(life)
    check(life)


# ---- what holds a segment


def test_a_view_holds_a_segment() -> None:
    life = new_life()
    half_dead(life)
    pin = life.engine.pins.take("snapshot")
    settle(life)
    assert collector_of(life).held_segments() == [1]
    assert collector_of(life).state() == "held"
    assert 1 in segments(life)
    later = life.engine.pins.take("iterator")
    pin.release()
    settle(life)
    assert 1 not in segments(life), "a view that is younger than the proof holds nothing"
    later.release()


def test_its_state_can_be_seen() -> None:
    life = new_life()
    half_dead(life)
    collector = collector_of(life)
    states = {collector.state()}
    while not collector.statistics.segments_collected:
        settle(life, 1)
        states.add(collector.state())
    assert {"rewriting", "settling"} < states <= {"idle", "rewriting", "settling", "held"}


def test_an_archive_that_is_behind_holds_a_segment() -> None:
    life = new_life()
    half_dead(life)
    retention = life.engine.housekeeping.retention
    retention.hold("archive", 1)
    settle(life)
    assert collector_of(life).held_segments() == [1]
    retention.hold("archive", 5)
    settle(life)
    assert 1 not in segments(life)


def test_the_newest_segment_stays_so_that_its_number_is_not_used_again() -> None:
    life = new_life()
    put(life, *KEYS_OF_ONE_SEGMENT)
    life.close()
    life = Life(life.fs, MemoryIndex(life.index.durable), life.settings, life.history)
    life.request([("range", b"a", b"c")])
    settle(life)
    assert segments(life) == [1]
    assert collector_of(life).held_segments() == [1]
    put(life, b"c0")
    settle(life)
    assert segments(life) == [2]
    check(life)


def test_a_segment_whose_records_are_not_drained_is_not_looked_at() -> None:
    life = new_life(drain_entries_max=1 << 30, drain_interval_ns=1 << 60)
    put(life, *LIVE_KEYS, *DEAD_KEYS)
    put(life, *DEAD_KEYS, b"c0", b"c1", b"c2")
    # As if somebody had counted too early.
    life.engine.housekeeping.drainer.discards.add(1, 10_000)
    settle(life)
    assert 1 in segments(life)
    assert collector_of(life).state() == "idle"


def test_only_so_many_segments_are_held() -> None:
    life = new_life()
    pin = life.engine.pins.take("backup")
    for _ in range(3 * collector_module._HELD_MAX):
        put(life, *KEYS_OF_ONE_SEGMENT)
        settle(life, 30)
    assert len(collector_of(life).held_segments()) == collector_module._HELD_MAX
    pin.release()
    settle(life, 1000)
    assert len(segments(life)) <= 3
    check(life)
