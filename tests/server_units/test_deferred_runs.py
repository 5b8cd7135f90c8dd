"""Runs that wait: the queue against a model, and the runtime while writers are held back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from kiwi_engine.channel.events import EVENT_RUN
from kiwi_engine.channel.frames import Query, Request, Run
from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.commit.throttle import Limit
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.storage.deferred_runs import DeferredRun, DeferredRuns
from kiwi_engine.server.storage.runtime import StorageRuntime

WAIT_NS = 20_000_000_000


def deferred_run(identity: int, source: int, *, writes: bool, deadline_ns: int = 0) -> DeferredRun:
    return DeferredRun(identity, source, 0, False, [[b"x"]], writes, deadline_ns)


def test_connections_take_turns_and_keep_their_order() -> None:
    runs = DeferredRuns()
    for identity, source in enumerate([1, 1, 1, 2, 2, 3]):
        runs.add(deferred_run(identity, source, writes=True))
    assert runs.take(may_write=False) is None
    taken = []
    while run := runs.take(may_write=True):
        taken.append((run.source, run.id))
    assert taken == [(1, 0), (2, 3), (3, 5), (1, 1), (2, 4), (1, 2)]
    assert not runs
    assert (runs.commands, runs.commands_peak, runs.commands_total) == (0, 6, 6)


def test_reads_behind_a_write_go_as_soon_as_it_has() -> None:
    runs = DeferredRuns()
    runs.add(deferred_run(0, 1, writes=True))
    runs.add(deferred_run(1, 2, writes=True))
    runs.add(deferred_run(2, 1, writes=False))
    runs.add(deferred_run(3, 1, writes=True))
    first = runs.take(may_write=True)
    assert first is not None
    assert first.id == 0
    second = runs.take(may_write=False)
    assert second is not None
    assert second.id == 2
    assert runs.take(may_write=False) is None
    assert [runs.holds(source) for source in (1, 2, 3)] == [True, True, False]


def test_late_runs_are_found_wherever_they_are() -> None:
    runs = DeferredRuns()
    for identity, deadline_ns in enumerate([50, 10, 30]):
        runs.add(deferred_run(identity, identity, writes=True, deadline_ns=deadline_ns))
    assert runs.take_late(9) is None
    late = [run.id for _ in range(2) if (run := runs.take_late(30))]
    assert sorted(late) == [1, 2]
    assert runs.take_late(30) is None
    assert len(runs) == 1


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_or_overtaken(seed: int) -> None:
    random = Random(seed)
    runs = DeferredRuns()
    waiting: dict[int, list[int]] = {}
    for identity in range(300):
        if random.random() < 0.6:
            source = random.randrange(5)
            writes = random.random() < 0.6 or not runs.holds(source)
            runs.add(deferred_run(identity, source, writes=writes, deadline_ns=identity))
            waiting.setdefault(source, []).append(identity)
        elif random.random() < 0.2:
            late = runs.take_late(identity)
            assert (late is None) or waiting[late.source].pop(0) == late.id, f"seed {seed}"
        else:
            run = runs.take(may_write=random.random() < 0.7)
            assert (run is None) or waiting[run.source].pop(0) == run.id, f"seed {seed}"
        assert runs.commands == sum(map(len, waiting.values())), f"seed {seed}"
        assert len(runs) == sum(map(bool, waiting.values())), f"seed {seed}"


# ---- the storage runtime


class Bench:
    """A runtime whose throttle is the test's: writers wait while `delay_s` is above 0."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        settings = msgspec.structs.replace(
            Settings(), dir=str(directory), wal_segment_size=1 << 20, disk_reserve=0, **changes
        )
        self.replies: dict[int, bytes] = {}
        self.runtime = StorageRuntime(settings, self._send)
        self.delay_s = 0.0
        engine = self.runtime.engine
        monkeypatch.setattr(engine, "write_delay_s", lambda: self.delay_s)
        monkeypatch.setattr(engine.pressure, "is_free", lambda: self.delay_s == 0)
        self._next_id = 1

    def send(self, *runs: tuple[int, bytes]) -> list[int]:
        """One frame; a run is (connection, commands separated by semicolons). Their ids."""
        frame = []
        for source, text in runs:
            commands = [line.split() for line in text.split(b";")]
            frame.append(Run(self._next_id, 0, 0, False, commands, source))
            self._next_id += 1
        self.runtime.handle(Request(frame, []))
        return [run.id for run in frame]

    def wait(self, *identities: int) -> list[bytes]:
        deadline_ns = monotonic_ns() + WAIT_NS
        while not all(identity in self.replies for identity in identities):
            assert monotonic_ns() < deadline_ns, "no reply"
            sleep(0.001)
            self.runtime.tick()
        return [self.replies[identity] for identity in identities]

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Any]) -> None:
        for identity, blob in replies:
            # On a busy machine there are events, too: of commands that took long.
            if identity != EVENT_RUN:
                assert identity not in self.replies, "one reply a run"
                self.replies[identity] = blob


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_writes_wait_and_reads_of_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", monkeypatch)
    bench.wait(*bench.send((1, b"set k old")))
    bench.delay_s = 0.05
    write, read, own_read, nonsense = bench.send(
        (1, b"set k new;get k"), (2, b"get k"), (1, b"get k"), (3, b"nonsense")
    )
    assert bench.wait(read) == [b"$3\r\nold\r\n"]
    assert bench.wait(nonsense)[0].startswith(b"-ERR unknown command")
    for _ in range(3):
        bench.runtime.tick()
    assert bench.replies.keys().isdisjoint({write, own_read})
    facts = bench.runtime._stats({})["backpressure"]
    assert (facts["deferred_connections"], facts["deferred_commands"]) == (1, 3)
    bench.delay_s = 0.0
    assert bench.wait(write, own_read) == [b"+OK\r\n$3\r\nnew\r\n", b"$3\r\nnew\r\n"]
    assert not bench.runtime.runs.deferred
    bench.runtime.close()


def test_who_comes_later_does_not_overtake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is room again by then, and whatever is in one frame."""
    bench = Bench(tmp_path / "data", monkeypatch)
    bench.delay_s = 0.05
    first = bench.send((1, b"append k a"), (2, b"append k b"))
    second = bench.send((1, b"append k c"), (3, b"append k d"))
    bench.delay_s = 0.0
    third = bench.send((4, b"append k e;get k"), (1, b"get k"))
    bench.wait(*first, *second, *third)
    assert bench.replies[third[0]] == b":5\r\n$5\r\nabdce\r\n", "connection 1 took turns"
    assert bench.replies[third[1]] == b"$5\r\nabdce\r\n"
    bench.runtime.close()


def test_a_frame_is_left_off_where_the_throttle_sets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", monkeypatch, write_batch_max_count=2)
    answers = iter([True, True])

    def is_free() -> bool:
        if next(answers, False):
            return True
        bench.delay_s = 0.05
        return False

    monkeypatch.setattr(bench.runtime.engine.pressure, "is_free", is_free)
    ids = bench.send(*[(source, b"set k %d" % source) for source in range(6)])
    assert bench.wait(*ids[:4]) == [b"+OK\r\n"] * 4
    assert bench.runtime.runs.deferred.commands == 2
    bench.delay_s = 0.0
    assert bench.wait(*ids) == [b"+OK\r\n"] * 6
    bench.runtime.close()


def test_a_write_that_waits_too_long_is_denied_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", monkeypatch, request_timeout=200)
    bench.delay_s = 0.05
    started_ns = monotonic_ns()
    write, read = bench.send((1, b"set k v;get k;del k"), (1, b"get k"))
    found, after = bench.wait(write, read)
    assert monotonic_ns() - started_ns >= 180_000_000
    denied, nothing, again = found.split(b"\r\n")[:3]
    assert denied.startswith(b"-BUSY writes have to wait: ")
    assert denied == again
    assert (nothing, after) == (b"$-1", b"$-1\r\n"), "reads are answered, and see that it was not"
    bench.delay_s = 0.0
    assert bench.wait(*bench.send((1, b"set k v2;get k"))) == [b"+OK\r\n$2\r\nv2\r\n"]
    assert bench.runtime._stats({})["backpressure"]["refused_commands"] == 3
    bench.runtime._reset_statistics({})
    facts = bench.runtime._stats({})["backpressure"]
    assert (facts["refused_commands"], facts["deferred_commands_total"]) == (0, 0)
    bench.runtime.close()


def test_what_waits_at_the_end_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path / "data", monkeypatch)
    bench.delay_s = 0.05
    ids = bench.send((1, b"set a 1"), (1, b"get a"), (2, b"set b 2"))
    bench.runtime.close()
    assert [bench.replies[identity] for identity in ids] == [b"+OK\r\n", b"$1\r\n1\r\n", b"+OK\r\n"]
    again = Bench(tmp_path / "data", monkeypatch)
    assert again.wait(*again.send((1, b"mget a b"))) == [b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n"]
    again.runtime.close()


def test_an_orderly_stop_answers_what_waits_and_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", monkeypatch)
    bench.delay_s = 0.05
    waiting = bench.send((1, b"set a 1"))
    bench.runtime.handle(Request([], [Query(1, "finish_runs", {})]))
    assert bench.wait(*waiting, *bench.send((1, b"set b 2"))) == [b"+OK\r\n"] * 2
    bench.runtime.close()


def test_expiry_and_reclaiming_wait_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path / "data", monkeypatch)
    bench.runtime._next_cycle_ns = 1 << 62
    bench.wait(*bench.send((1, b"set k v px 1;set l v")))
    sleep(0.005)
    bench.delay_s = 0.05
    throttle = bench.runtime.engine.pressure
    throttle.limits = throttle.limits._replace(level_zero_files=Limit(0, 0))
    throttle._assess(monotonic_ns())
    assert bench.wait(*bench.send((1, b"get k"))) == [b"$-1\r\n"], "absent, though not removed"
    bench.runtime._next_cycle_ns = 0
    bench.runtime.tick()
    facts = bench.runtime._stats({})["backpressure"]
    assert facts["history_1"].endswith(f" stop: {facts['reason']}")
    assert bench.runtime.keyspace.expiry.expired_count == 0
    bench.delay_s = 0.0
    bench.runtime._next_cycle_ns = 0
    bench.runtime.tick()
    assert bench.runtime.keyspace.expiry.expired_count == 1
    bench.runtime.close()


# ---- hot keys


def test_the_keys_that_are_written_most_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", monkeypatch)
    watch = bench.runtime.runs.hot_keys
    for number in range(300):
        watch.sampled = 0
        bench.send((1, b"set hot,\xff %d;get cold" % number), (2, b"mset a%d v hot2 v" % number))
    watch._counted_ns = 0
    bench.runtime.runs.cycle()
    facts = bench.runtime._stats({})["hotkeys"]
    assert facts["hot_key_1"]["key"] in {"hot\\x2c\\xff", "hot2"}
    assert 20 <= facts["hot_key_1"]["share_percent"] <= 80
    assert {facts[f"hot_key_{number}"]["key"] for number in (1, 2)} == {"hot\\x2c\\xff", "hot2"}
    assert bench.runtime.engine.widening.hot_share > 0.2
    shares = []
    for _ in range(12):
        shares.append(watch.share)
        watch._counted_ns = watch._halved_ns = 0
        assert watch.maintain()
    assert shares[0] > 0
    assert shares[-1] == 0, "what is over is forgotten"
    assert not watch.maintain(), "a second is not over"
    bench.runtime.close()


def test_reads_and_nonsense_are_not_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", monkeypatch)
    watch = bench.runtime.runs.hot_keys
    for text in (b"get k", b"set k", b"nonsense k", b"dbsize"):
        for _ in range(20):
            watch.sampled = 0
            bench.send((1, text))
    assert watch.share == 0
    assert "hot_key_1" not in bench.runtime._stats({})["hotkeys"]
    bench.runtime.close()


def test_a_key_beyond_its_limit_is_denied_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data", monkeypatch, write_hot_key_limit=3)
    (replies,) = bench.wait(
        *bench.send((1, b";".join([b"incr hot"] * 5 + [b"set cold v", b"get hot"])))
    )
    lines = replies.split(b"\r\n")
    # A second may end in between, once.
    assert lines.count(b"-BUSY hot key 'hot': more than 3 writes a second; not executed") <= 2
    assert lines[:3] == [b":1", b":2", b":3"]
    assert lines[5] == b"+OK"
    facts = bench.runtime._stats({})
    assert facts["hotkeys"]["writes_rejected"] == facts["commandstats"]["incr"]["rejected_calls"]
    bench.runtime._config_set({"write_hot_key_limit": 0})
    assert bench.wait(*bench.send((1, b";".join([b"incr cold2"] * 9))))[0].endswith(b":9\r\n")
    bench.runtime.close()
