"""Clients that do not read what is pushed to them are disconnected, and no others."""

from __future__ import annotations

import logging

import pytest

from kiwi_engine.config.output_limits import OutputLimit, OutputLimits
from kiwi_engine.server.network.output_limits import SlowReaders, judge, limit_of
from kiwi_engine.server.network.pubsub.registry import Subscriptions
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.statistics import NetworkStatistics
from kiwi_engine.server.network.tracking.mode import TrackingMode

SECOND_NS = 1_000_000_000
LIMIT = OutputLimit(hard=100, soft=50, soft_seconds=2)


@pytest.mark.parametrize(
    ("size", "since_ns", "now_ns", "expected"),
    [
        (99, 0, 7, (False, 7)),
        (100, 0, 7, (True, 0)),
        (49, 3, 7, (False, 0)),
        (50, 0, 7, (False, 7)),
        (50, 7, 7 + 2 * SECOND_NS, (False, 7)),
        (50, 7, 8 + 2 * SECOND_NS, (True, 7)),
    ],
)
def test_when_a_client_goes(
    size: int, since_ns: int, now_ns: int, expected: tuple[bool, int]
) -> None:
    assert judge(LIMIT, size, since_ns, now_ns) == expected


def test_no_limit_is_no_limit() -> None:
    assert judge(OutputLimit(), 10**12, 0, 5) == (False, 0)
    assert judge(OutputLimit(hard=10), 9, 0, 5) == (False, 0)
    assert judge(OutputLimit(soft=10), 9, 5, 10**12) == (False, 0)


class SlowConnection:
    """Has `size` bytes of output that the kernel does not take."""

    def __init__(self, *, is_subscriber: bool) -> None:
        self.session = Session(7, "127.0.0.1:5", "127.0.0.1:6", 0, authenticated=True)
        self.session.subscriptions = Subscriptions() if is_subscriber else None
        self.size = 0
        self.is_aborted = False

    def buffered_bytes(self) -> tuple[int, int]:
        return 0, self.size

    def abort(self) -> None:
        self.is_aborted = True


class Bench:
    def __init__(self, *, is_subscriber: bool, limit: OutputLimit = LIMIT) -> None:
        self.statistics = NetworkStatistics()
        self.readers = SlowReaders(OutputLimits(pubsub=limit), self.statistics)
        self.connection = SlowConnection(is_subscriber=is_subscriber)

    def sweep(self, size: int, now_s: float) -> bool:
        """Whether the connection is gone after a sweep at `now_s` that found it with `size`."""
        self.connection.size = size
        self.readers.sweep(int(now_s * SECOND_NS))
        return self.connection.is_aborted


def test_the_hard_limit_ends_it_at_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(is_subscriber=True)
    bench.connection.size = 100
    with caplog.at_level(logging.WARNING):
        bench.readers.add(bench.connection)
    assert bench.connection.is_aborted
    assert bench.statistics.output_limit_disconnections == 1
    assert "id=7 addr=127.0.0.1:5" in caplog.text
    assert "omem=100" in caplog.text
    bench.readers.sweep(SECOND_NS)
    assert bench.statistics.output_limit_disconnections == 1, "it is counted once"


def test_what_is_pushed_to_a_slow_one_is_looked_at() -> None:
    bench = Bench(is_subscriber=True)
    bench.connection.size = 40
    bench.readers.add(bench.connection)
    bench.connection.size = 100
    bench.readers.check(bench.connection, 5)
    assert bench.connection.is_aborted


def test_the_soft_limit_leaves_time_to_catch_up() -> None:
    bench = Bench(is_subscriber=True)
    bench.readers.add(bench.connection)
    assert not bench.sweep(60, 10)
    assert not bench.sweep(60, 11.9)
    assert not bench.sweep(40, 12.5), "below it, the time begins anew"
    assert not bench.sweep(60, 13)
    assert not bench.sweep(99, 15)
    assert bench.sweep(60, 15.1)


def test_who_has_caught_up_is_no_longer_looked_at() -> None:
    bench = Bench(is_subscriber=True)
    bench.readers.add(bench.connection)
    bench.readers.remove(bench.connection)
    assert not bench.sweep(1000, 1)
    bench.readers.check(bench.connection, SECOND_NS)
    assert not bench.connection.is_aborted


def test_each_class_has_its_own_limits() -> None:
    bench = Bench(is_subscriber=False)
    bench.readers.add(bench.connection)
    assert not bench.sweep(10**9, 1)
    bench.readers.configure(OutputLimits(normal=OutputLimit(hard=10**9)))
    assert bench.sweep(10**9, 2)


def test_connections_become_slow_before_any_limit_is_reached() -> None:
    bench = Bench(is_subscriber=True)
    assert bench.readers.high_water_bytes == 50
    bench.readers.configure(OutputLimits())
    assert bench.readers.high_water_bytes == 64 * 1024


@pytest.mark.parametrize(
    ("what", "normal", "expected"),
    [
        ("nothing", OutputLimit(), OutputLimit()),
        ("monitors", OutputLimit(), LIMIT),
        ("monitors", OutputLimit(hard=7), OutputLimit(hard=7)),
        ("tracks prefixes", OutputLimit(), LIMIT),
        ("tracks what it reads", OutputLimit(), OutputLimit()),
    ],
)
def test_who_is_told_without_asking_has_a_limit(
    what: str, normal: OutputLimit, expected: OutputLimit
) -> None:
    session = SlowConnection(is_subscriber=False).session
    session.is_monitor = what == "monitors"
    if what.startswith("tracks"):
        session.tracking = TrackingMode()
        session.tracking.is_broadcast = what == "tracks prefixes"
    assert limit_of(session, OutputLimits(normal=normal, pubsub=LIMIT)) == expected


def test_who_reads_slowly_is_not_idle() -> None:
    bench = Bench(is_subscriber=True, limit=OutputLimit())
    session = bench.connection.session
    bench.connection.size = 90
    bench.readers.add(bench.connection)
    session.last_interaction_ns = 0
    bench.sweep(90, 1)
    assert session.last_interaction_ns == 0
    bench.sweep(80, 2)
    assert session.last_interaction_ns == 2 * SECOND_NS
