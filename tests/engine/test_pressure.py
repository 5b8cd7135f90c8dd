"""An engine whose writers are held back, step by step: index, clock and threads are the test's."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.commit.throttle import Limit
from kiwi_engine.engine import engine, housekeeping, pressure, widening
from kiwi_engine.engine.settings import EngineSettings, ThrottleSettings
from kiwi_engine.errors import EnginePoisonedError
from kiwi_engine.index.protocol import IndexFacts
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FailAt, Fault
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.model import History, Life, check_store

MEBIBYTE = 1 << 20
SETTINGS = EngineSettings(
    batch=BatchLimits(1, MEBIBYTE, 0),
    drain_entries_max=1 << 30,
    drain_bytes_max=1 << 40,
    drain_interval_ns=1 << 60,
    disk_reserve_bytes=0,
    wal_retained_bytes_max=0,
    wal_segment_bytes=256,
    throttle=ThrottleSettings(
        level_zero_files=Limit(8, 16),
        wal_bytes=Limit(1 << 40, 1 << 40),
        rate_min=1000,
        rate_max=16_000,
    ),
)


class ToldIndex(MemoryIndex):
    """Says of itself what the test tells it to."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Any] = {}

    def facts(self) -> IndexFacts:
        return msgspec.structs.replace(super().facts(), **self.told)


class Clock:
    def __init__(self) -> None:
        self.now_ns = 10**12

    def __call__(self) -> int:
        return self.now_ns

    def pass_ms(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * 1_000_000


class Bench:
    """A life with its index and its clock."""

    def __init__(self, clock: Clock, **changes: Any) -> None:
        self.clock = clock
        self.index = ToldIndex()
        settings = msgspec.structs.replace(SETTINGS, **changes)
        self.life = Life(CrashFs(), self.index, settings, History())
        self.engine = self.life.engine
        # A `Life` is roomy.
        self.engine.configure(settings)

    def level_zero(self, files: int) -> None:
        self.index.told["files_per_level"] = (files,)

    def write(self, size: int = 100, key: bytes = b"a0") -> None:
        self.life.request([("put", key, b"v" * size)])
        self.life.pipeline.wait_idle()

    def assess(self) -> str:
        """The state after the next assessment."""
        self.clock.pass_ms(60)
        self.engine.pressure.maintain(self.clock.now_ns)
        return self.engine.pressure.state.name

    def drain(self) -> None:
        self.engine.maintain()
        while self.life.jobs.run_one():
            self.engine.maintain()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    clock = Clock()
    monkeypatch.setattr(pressure, "monotonic_ns", clock)
    monkeypatch.setattr(widening, "monotonic_ns", clock)
    monkeypatch.setattr(engine, "monotonic_ns", clock)
    return lambda **changes: Bench(clock, **changes)


def test_nothing_is_held_back_while_nothing_is_behind(make: Callable[..., Bench]) -> None:
    bench = make()
    for _ in range(20):
        assert bench.engine.write_delay_s() == 0
        bench.write()
        assert bench.assess() == "none"
    assert bench.engine.pressure.transitions == 0
    assert bench.engine.pressure.time_ns("slow") == 0


def test_a_backlog_slows_stops_and_lets_go_again(make: Callable[..., Bench]) -> None:
    bench = make()
    throttle = bench.engine.pressure
    bench.level_zero(8)
    assert bench.assess() == "slow"
    bench.level_zero(16)
    assert bench.assess() == "stop"
    for _ in range(5):
        assert bench.engine.write_delay_s() > 0
        bench.clock.pass_ms(10)
    assert throttle.state.why == "level_zero_files 16 (slow from 8, stop at 16)"
    bench.level_zero(0)
    assert bench.assess() == "slow"
    while bench.assess() == "slow":
        assert throttle.state.why == "recovering"
    assert bench.engine.write_delay_s() == 0
    assert [each.state.name for each in throttle.history] == ["slow", "stop", "slow", "none"]
    assert throttle.transitions == 4
    assert throttle.time_ns("slow") > 0
    assert throttle.time_ns("stop") >= 60_000_000


def test_asking_alone_notices_that_it_is_over(make: Callable[..., Bench]) -> None:
    """Whoever only asks, and never lets the engine maintain itself, does not wait for ever."""
    bench = make()
    bench.level_zero(16)
    assert bench.assess() == "stop"
    bench.level_zero(0)
    asked = 0
    while bench.engine.pressure.state.name != "none":
        bench.clock.pass_ms(60)
        bench.engine.write_delay_s()
        asked += 1
        assert asked < 100
    assert bench.engine.write_delay_s() == 0


def test_reads_and_their_answers_go_on_while_writers_wait(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.write()
    bench.level_zero(99)
    assert bench.assess() == "stop"
    for _ in range(5):
        bench.life.request([])
        check_store(bench.engine.store, bench.life.state)
    assert bench.life.errors == []


def test_slow_writers_share_the_rate(make: Callable[..., Bench]) -> None:
    """Over ten seconds of the clock, whoever asks often enough gets what the rate allows."""
    bench = make()
    bench.level_zero(12)
    while bench.engine.pressure.state.rate != pytest.approx(4000):
        assert bench.assess() == "slow"
    before = bench.engine.pressure.bytes_written
    for _ in range(1000):
        bench.clock.pass_ms(10)
        delay_s = bench.engine.write_delay_s()
        assert 0 <= delay_s <= 0.05
        if delay_s == 0:
            bench.write()
    assert bench.engine.pressure.bytes_written - before == pytest.approx(40_000, rel=0.02)


def test_what_the_open_group_holds_is_spent_already(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.level_zero(8)
    bench.assess()
    engine = bench.engine
    engine.begin()
    assert engine.write_delay_s() == 0
    engine.store.put(b"a1", b"v" * 10_000)
    assert engine.write_delay_s() > 0
    engine.end()
    assert engine.write_delay_s() > 0


def test_a_group_that_was_taken_back_is_charged_once(make: Callable[..., Bench]) -> None:
    bench = make(batch=BatchLimits(100, MEBIBYTE, 0))
    engine = bench.engine
    for number in range(5):
        engine.begin()
        engine.store.put(b"a%d" % number, b"v" * 10)
        engine.end()
    assert len(engine.store.generation.groups) == 1
    assert engine.pressure.bytes_written == engine.store.group.bytes == 60


def test_a_full_write_buffer_stops_at_once_and_is_drained_at_once(
    make: Callable[..., Bench],
) -> None:
    """Between two assessments, and although no limit of a drain is reached."""
    bench = make(pending_bytes_max=4000)
    bench.assess()
    while bench.engine.write_delay_s() == 0:
        bench.write(300)
        assert bench.engine.store.pending_bytes() < 5000
    assert bench.engine.pressure.state.reasons[0].measure == "write_buffer_bytes"
    bench.drain()
    assert bench.engine.store.pending_bytes() == 0
    bench.clock.pass_ms(1)
    assert bench.engine.write_delay_s() == 0
    assert bench.engine.pressure.state.name == "slow"
    check_store(bench.engine.store, bench.life.state)


def test_an_index_that_stalls_reaches_writers_through_the_write_buffer(
    make: Callable[..., Bench],
) -> None:
    bench = make(pending_bytes_max=4000, drain_entries_max=1)
    bench.write(100)
    bench.engine.maintain()
    assert bench.life.jobs.is_running("drain")
    bench.index.stalled_writes = 3
    while bench.assess() != "stop":
        bench.write(300)
    reasons = bench.engine.pressure.state.reasons
    assert [reason.measure for reason in reasons if reason.level == "stop"] == [
        "write_buffer_bytes"
    ]
    assert "index_refuses_writes" in {reason.measure for reason in reasons}
    bench.drain()
    assert bench.engine.housekeeping.drainer.stalls == 3
    assert bench.assess() == "slow"
    check_store(bench.engine.store, bench.life.state)


def test_a_log_that_is_kept_too_long_is_drained_and_let_go(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_RELEASE_INTERVAL_NS", -1)
    bench = make(throttle=ThrottleSettings(wal_bytes=Limit(2000, 4000)))
    while bench.assess() != "stop":
        bench.write(100)
    assert bench.engine.pressure.state.reasons[0].measure == "wal_bytes"
    bench.drain()
    assert bench.engine.opened.log.facts().retained_bytes < 2000
    assert bench.assess() == "slow"


def test_limits_of_the_log_follow_from_what_it_may_keep(make: Callable[..., Bench]) -> None:
    bench = make(throttle=ThrottleSettings(), wal_retained_bytes_max=1000)
    assert bench.engine.pressure.limits.wal_bytes == Limit(4 * 2024, 8 * 2024)


def test_refused_writes_need_not_wait_to_be_told_so(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.level_zero(99)
    assert bench.assess() == "stop"
    bench.life.fs.watch = FailAt(1, Fault(errno.EIO), kinds=frozenset({"sync"}), lasting=True)
    bench.write()
    bench.engine.begin()
    bench.engine.end()
    assert isinstance(bench.engine.refusal, EnginePoisonedError)
    assert bench.engine.write_delay_s() == 0


def test_limits_may_change_while_it_runs(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.level_zero(4)
    assert bench.assess() == "none"
    throttle = ThrottleSettings(level_zero_files=Limit(1, 2))
    bench.engine.configure(msgspec.structs.replace(SETTINGS, throttle=throttle))
    assert bench.assess() == "stop"
    measured = {each.name: each.text for each in bench.engine.pressure.measured()}
    assert measured["level_zero_files"] == "4 (slow from 1, stop at 2)"


def test_groups_that_fill_up_may_grow(make: Callable[..., Bench]) -> None:
    bench = make(batch=BatchLimits(1, MEBIBYTE, 0), batch_widen_max=4)
    statistics = bench.life.pipeline.statistics
    factors = []
    for groups_full in (10, 20, 30, 30, 30, 30):
        bench.clock.pass_ms(60)
        statistics.groups = statistics.groups_full = groups_full
        bench.engine.maintain()
        factors.append(bench.life.pipeline.limits.requests_max)
    assert factors == [2, 4, 4, 2, 1, 1]
    bench.engine.widening.hot_share = 1.0
    bench.clock.pass_ms(60)
    bench.engine.maintain()
    assert bench.life.pipeline.limits.requests_max == 2
    bench.engine.configure(msgspec.structs.replace(SETTINGS, batch_widen_max=1))
    assert bench.life.pipeline.limits == SETTINGS.batch
