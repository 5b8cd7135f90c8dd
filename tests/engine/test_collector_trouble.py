"""Collecting value-log segments amid damage, refusals and failures; counts and estimates."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from unittest.mock import patch

import pytest

from kiwi_engine.engine.collection import collector as collector_module
from kiwi_engine.engine.collection import sampler as collector_sampler
from kiwi_engine.engine.collection import segment_pass as collector_pass
from kiwi_engine.engine.settings import CollectionSettings
from kiwi_engine.errors import (
    CorruptionError,
    DiskFullError,
    EngineClosedError,
    IndexFailedError,
)
from kiwi_engine.testing.fault_plan import FailAt, Fault
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.vlog.format import VLOG
from tests.engine.collector_world import (
    DEAD_KEYS,
    EAGER,
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


# ---- trouble


def damage(life: Life, key: bytes) -> None:
    """Flip a bit of the first value of `key` in segment 1."""
    path = VLOG.path("/data/vlog", 1)
    content = bytearray(life.fs.files()[path])
    content[content.index(key + key) + 10] ^= 1
    life.fs.overwrite(path, bytes(content))


def test_damage_that_is_pointed_to_is_left_alone() -> None:
    life = new_life()
    half_dead(life)
    damage(life, b"a1")
    settle(life, 200)
    assert 1 in segments(life)
    assert "checksum" in collector_of(life).unsound[1]
    assert "checksum" in collector_of(life).statistics.last_error
    assert life.engine.refusal is None
    with pytest.raises(CorruptionError):
        life.engine.store.get(b"a1")
    assert life.engine.store.get(b"a0") == life.state[b"a0"]


def test_damage_that_nothing_points_to_does_no_harm() -> None:
    """It hides the entries behind it: the index tells where the live ones are."""
    life = new_life()
    put(life, *DEAD_KEYS, *LIVE_KEYS)
    put(life, *DEAD_KEYS, b"c0", b"c1", b"c2")
    drain(life)
    damage(life, b"b0")
    settle(life, 200)
    assert 1 not in segments(life)
    assert collector_of(life).unsound == {}
    check(life)


def test_a_torn_segment_is_collected() -> None:
    life = new_life(value_segment_bytes=10_000)
    put(life, *LIVE_KEYS, *DEAD_KEYS, *DEAD_KEYS)
    drain(life)
    life.fs.watch = None
    path = VLOG.path("/data/vlog", 1)
    content = life.fs.files()[path]
    fs = life.fs.restart()
    end = len(content.rstrip(b"\0"))
    fs.overwrite(path, content[:end] + b"\1\0\0" + content[end + 3 :])
    life = Life(fs, life.index.crash(life.index.unflushed_batches), life.settings, life.history)
    put(life, b"c0")
    settle(life, 200)
    assert segments(life) == [2]
    check(life)


@pytest.mark.parametrize("kind", ["remove", "sync-directory"])
def test_an_operation_that_fails_is_tried_again_later(kind: str) -> None:
    life = new_life()
    half_dead(life)
    with life.engine.pins.take("snapshot"):
        settle(life)
        assert collector_of(life).held_segments() == [1]
    life.fs.watch = FailAt(1, Fault(errno.EIO), kinds=frozenset({kind}))
    settle(life)
    assert "segment 1" in collector_of(life).statistics.last_error
    assert 1 not in segments(life)
    assert life.engine.refusal is None
    check(life)


@pytest.mark.parametrize("asker", ["background", "executing thread"])
def test_an_index_that_fails_is_asked_again_later(
    asker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = new_life()
    half_dead(life)
    if asker == "executing thread":
        step_until_read(life)
    life.engine.store.clean.clear()
    get_many = life.index.get_many

    def failing(keys: Sequence[bytes]) -> list[bytes | None]:
        monkeypatch.setattr(life.index, "get_many", get_many)
        raise IndexFailedError("index", "as the test wants it")

    monkeypatch.setattr(life.index, "get_many", failing)
    settle(life)
    assert "as the test wants it" in collector_of(life).statistics.last_error
    assert 1 not in segments(life)
    assert life.engine.refusal is None
    check(life)


def test_closing_does_not_wait_for_a_long_walk() -> None:
    life = new_life()
    half_dead(life)
    damage(life, b"b0")
    step_until_read(life)
    segment_pass = collector_of(life)._passes()[0]
    segment_pass._is_torn = True
    with patch.object(collector_pass, "_WALK_ENTRIES", 1):
        assert not segment_pass.is_empty()
        collector_of(life).close()
        with pytest.raises(EngineClosedError):
            segment_pass.is_empty()


def test_a_job_that_a_close_ends_is_no_trouble() -> None:
    life = new_life()
    collector = collector_of(life)
    collector._ended(None, EngineClosedError("the engine is closed"))
    assert (collector.statistics.last_error, collector.unsound) == ("", {})


def test_a_full_disk_only_puts_it_off() -> None:
    life = new_life()
    half_dead(life)
    step_until_read(life)
    life.fs.watch = FailAt(1, Fault(errno.ENOSPC), kinds=frozenset({"write", "allocate"}))
    collector_of(life).maintain()
    life.pipeline.wait_idle()
    assert isinstance(life.engine.refusal, DiskFullError)
    life.request([])
    settle(life, 200)
    assert 1 not in segments(life)
    check(life)


def test_while_writes_are_refused_only_what_fits_is_rewritten() -> None:
    life = new_life(collection=NEVER)
    half_dead(life)
    housekeeping = life.engine.housekeeping
    survey = collector_of(life).survey
    housekeeping.problem = DiskFullError("as the test wants it")
    survey.refresh(())
    housekeeping.disk_free_bytes = 2 * 60
    assert survey.choose(is_busy=False) is None, "it needs more than half of what is free"
    housekeeping.disk_free_bytes = 1 << 20
    assert survey.choose(is_busy=True) is None, "one at a time"
    choice = survey.choose(is_busy=False)
    assert choice is not None
    assert choice.segment.number == 1
    housekeeping.problem = None
    assert survey.choose(is_busy=False) is None, "it is not worth it otherwise"


def test_a_read_only_engine_collects_nothing() -> None:
    life = new_life()
    half_dead(life)
    step_until_read(life)
    life.fs.watch = FailAt(1, Fault(errno.EIO), kinds=frozenset({"sync"}))
    put(life, b"c3")
    assert life.engine.refusal is not None
    settle(life)
    assert 1 in segments(life)


def test_what_the_throttle_holds_back_waits() -> None:
    life = new_life()
    half_dead(life)
    step_until_read(life)
    delay_s = 1.0
    collector_of(life)._write_delay_s = lambda: delay_s
    settle(life)
    assert collector_of(life).statistics.values_rewritten == 0
    delay_s = 0.0
    settle(life)
    assert 1 not in segments(life)


def test_the_rate_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 1_000_000_000
    monkeypatch.setattr(collector_module, "monotonic_ns", lambda: now_ns)
    life = new_life(collection=CollectionSettings(limits=EAGER.limits, rate=30))
    half_dead(life)
    step_until_read(life)
    settle(life)
    first = collector_of(life).statistics.values_rewritten
    settle(life)
    assert collector_of(life).statistics.values_rewritten == first < len(LIVE_KEYS)
    for _ in range(10):
        now_ns += 1_000_000_000
        settle(life, 10)
    settle(life)
    assert 1 not in segments(life)


def test_what_has_begun_goes_on_between_two_surveys(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 1_000_000_000
    monkeypatch.setattr(collector_module, "monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(collector_module, "_SURVEY_INTERVAL_NS", 1000)
    life = new_life()
    half_dead(life)
    settle(life)
    assert 1 not in segments(life)
    put(life, b"c0", b"c1", b"c2", b"d0", b"d1", b"d2")
    drain(life)
    settle(life)
    assert collector_of(life).statistics.segments_collected == 1, "nothing new is begun"
    now_ns += 1001
    settle(life)
    assert collector_of(life).statistics.segments_collected > 1
    check(life)


# ---- counts and estimates


def test_what_is_counted_for_a_segment_goes_with_it() -> None:
    life = new_life()
    half_dead(life)
    settle(life)
    put(life, b"c0")
    drain(life)
    assert 1 not in dict(life.engine.housekeeping.drainer.discards.items())


def test_what_a_crash_left_counted_for_a_removed_segment_is_dropped() -> None:
    life = new_life()
    half_dead(life)
    settle(life)
    assert 1 in dict(life.engine.housekeeping.drainer.discards.items()), "until the next drain"
    again = Life(life.fs.restart(), life.index.crash(), life.settings, life.history)
    assert 1 not in dict(again.engine.housekeeping.drainer.discards.items())


def test_a_segment_that_nobody_counted_is_sampled() -> None:
    life = new_life(collection=NEVER)
    half_dead(life)
    life.close()
    # As after a salvage: nothing is known of what is dead.
    again = Life(life.fs, MemoryIndex(life.index.durable), life.settings, life.history)
    discards = again.engine.housekeeping.drainer.discards
    discards.remove(1)
    settle(again)
    counted, estimated = collector_of(again).survey.dead_bytes()
    assert discards.get(1) == 0
    assert estimated > 60
    assert counted < estimated
    collector_of(again).survey.settings = EAGER
    settle(again)
    assert 1 not in segments(again)
    check(again)


def test_a_segment_that_went_before_it_was_sampled_is_not_missed() -> None:
    life = new_life(collection=NEVER)
    half_dead(life)
    life.close()
    again = Life(life.fs, MemoryIndex(life.index.durable), life.settings, life.history)
    collector_of(again).survey.settings = EAGER
    with patch.object(collector_sampler, "_INTERVAL_NS", 1 << 62):
        settle(again)
        assert 1 not in segments(again)
    settle(again)
    assert collector_of(again).statistics.last_error == ""


def test_a_segment_in_which_no_place_is_found_counts_as_live() -> None:
    life = new_life(collection=NEVER)
    half_dead(life)
    life.close()
    again = Life(life.fs, MemoryIndex(life.index.durable), life.settings, life.history)
    again.engine.housekeeping.drainer.discards.remove(1)
    with patch.object(collector_sampler, "sample_entries", lambda *arguments: []):
        settle(again)
    assert collector_of(again).survey.dead_bytes()[1] == 0
