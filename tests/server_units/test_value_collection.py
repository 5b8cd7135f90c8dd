"""Values that die are collected, with real threads, files and RocksDB, while others are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from kiwi_engine.clock import monotonic_ns, sleep
from tests.server_units.test_storage_runtime import Bench, quiet

WAIT_NS = 30_000_000_000
VALUE_BYTES = 4000
SEGMENT_BYTES = 1 << 16

__all__ = ["quiet"]


def new_bench(directory: Path) -> Bench:
    return Bench(
        directory,
        value_log_segment_size=SEGMENT_BYTES,
        value_gc_threshold=50,
        value_gc_rate=0,
        drain_interval=20,
    )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = new_bench(tmp_path / "data")
    yield made
    made.runtime.close()


def value_log_bytes(bench: Bench) -> int:
    return sum(bench.runtime.engine.opened.values.segments().values())


def tick_until(bench: Bench, condition: Callable[[], bool]) -> None:
    deadline_ns = monotonic_ns() + WAIT_NS
    while not condition():
        assert monotonic_ns() < deadline_ns, "it never happened"
        bench.runtime.tick()
        sleep(0.001)


def fill(bench: Bench, count: int, *options: bytes) -> None:
    random = Random(1)
    commands = [[b"SET", b"k%d" % n, random.randbytes(VALUE_BYTES), *options] for n in range(count)]
    assert bench.ask(commands) == [b"+OK\r\n" * count]


def test_what_a_flushed_database_held_is_collected(bench: Bench) -> None:
    fill(bench, 200)
    bench.ask([[b"FLUSHALL"]])
    bench.ask([[b"SET", b"another", b"x" * 5000]])
    tick_until(bench, lambda: value_log_bytes(bench) <= SEGMENT_BYTES)
    assert bench.runtime.engine.collector.statistics.values_rewritten <= 1


def test_values_that_expired_are_collected(bench: Bench) -> None:
    fill(bench, 200, b"PX", b"30")
    bench.ask([[b"SET", b"another", b"x" * 5000]])
    tick_until(bench, lambda: value_log_bytes(bench) <= SEGMENT_BYTES)
    assert bench.runtime.keyspace.expiry.expired_count == 200


def test_values_move_while_they_are_written_and_nothing_is_lost(tmp_path: Path) -> None:
    bench, random = new_bench(tmp_path / "data"), Random(7)
    expected: dict[bytes, bytes] = {}
    for _ in range(60):
        commands, replies = [], []
        for _ in range(20):
            key = b"k%d" % random.randrange(80)
            choice = random.random()
            if choice < 0.7:
                expected[key] = random.randbytes(random.choice([10, VALUE_BYTES, VALUE_BYTES]))
                commands.append([b"SET", key, expected[key]])
                replies.append(b"+OK\r\n")
            elif choice < 0.8:
                replies.append(b":%d\r\n" % (expected.pop(key, None) is not None))
                commands.append([b"DEL", key])
            else:
                commands.append([b"GET", key])
                replies.append(bulk(expected.get(key)))
        assert bench.ask(commands) == [b"".join(replies)]
        for _ in range(3):
            bench.runtime.tick()
            sleep(0.001)
    collector = bench.runtime.engine.collector
    collector.collect(0.2)
    tick_until(bench, lambda: not collector.is_collecting)
    assert collector.statistics.segments_collected > 3
    assert collector.statistics.values_rewritten
    assert collector.unsound == {}
    bench.runtime.close()
    again = new_bench(tmp_path / "data")
    found = again.ask([[b"GET", b"k%d" % number] for number in range(80)])
    assert found == [b"".join(bulk(expected.get(b"k%d" % number)) for number in range(80))]
    again.runtime.close()


def bulk(value: bytes | None) -> bytes:
    return b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value)
