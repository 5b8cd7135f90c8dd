"""Runs that wait in a storage runtime on a real directory: served, late, cancelled, in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kiwi_engine.channel.events import Waits, decode_event
from kiwi_engine.channel.frames import Query, Request, Run, RunFlags
from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import DiskFullError
from kiwi_engine.server.storage.runtime import Answer, StorageRuntime

WAIT_NS = 20_000_000_000


class Bench:
    """A runtime; connections send command lines, and each one that waits is on its own."""

    def __init__(self, directory: Path) -> None:
        settings = msgspec.structs.replace(
            Settings(), dir=str(directory), wal_segment_size=1 << 20, disk_reserve=0
        )
        self.replies: dict[int, bytes] = {}
        # Each call of `_send` with replies: they belong to one group.
        self.groups: list[list[int]] = []
        self.parked: list[int] = []
        self.answers: list[Any] = []
        self.runtime = StorageRuntime(settings, self._send)
        self._next_id = 0

    def _run(self, source: int, text: str, flags: int = 0) -> Run:
        self._next_id += 1
        commands = [line.encode().split() for line in text.split(";")]
        return Run(self._next_id, 0, 0, False, commands, source, flags, "", monotonic_ns())

    def block(self, source: int, text: str) -> int:
        """A command that may wait; its number."""
        run = self._run(source, text, RunFlags.BLOCKING)
        self.runtime.handle(Request([run], []))
        return run.id

    def send(self, *texts: str, flags: int = 0) -> list[int]:
        """One frame of runs of other connections."""
        runs = [self._run(1000 + at, text, flags) for at, text in enumerate(texts)]
        self.runtime.handle(Request(runs, []))
        return [run.id for run in runs]

    def ask(self, *texts: str, flags: int = 0) -> list[bytes]:
        return self.wait(*self.send(*texts, flags=flags))

    def query(self, method: str, **parameters: Any) -> Any:
        self.runtime.handle(Request([], [Query(1, method, parameters)]))
        return self.answers[-1]

    def wait(self, *identities: int) -> list[bytes]:
        deadline_ns = monotonic_ns() + WAIT_NS
        while not all(identity in self.replies for identity in identities):
            assert monotonic_ns() < deadline_ns, "no reply"
            sleep(0.001)
            self.runtime.tick()
        return [self.replies[identity] for identity in identities]

    def settle(self) -> None:
        """Everything that will be answered is."""
        self.ask("get nothing")

    @property
    def waiting(self) -> int:
        return len(self.runtime.runs.blocked.runs)

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Answer]) -> None:
        self.answers += [result for _, error, result in answers if not error]
        for identity, blob in replies:
            if identity == 0:
                event = decode_event(blob)
                if isinstance(event, Waits):
                    self.parked.append(event.run)
                continue
            assert identity not in self.replies, "one reply a run"
            self.replies[identity] = blob
        if replies:
            self.groups.append([identity for identity, _ in replies])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    logging.disable(logging.CRITICAL)
    bench = Bench(tmp_path / "data")
    yield bench
    bench.runtime.close()
    logging.disable(logging.NOTSET)


def pair(key: str, element: str) -> bytes:
    return f"*2\r\n${len(key)}\r\n{key}\r\n${len(element)}\r\n{element}\r\n".encode()


def test_who_waits_longest_is_served_first(bench: Bench) -> None:
    waiting = [bench.block(source, "blpop k 0") for source in range(1, 6)]
    bench.settle()
    assert bench.parked == waiting
    (push,) = bench.send("rpush k a b c")
    assert bench.wait(push, *waiting[:3]) == [
        b":3\r\n",
        pair("k", "a"),
        pair("k", "b"),
        pair("k", "c"),
    ]
    group = next(group for group in bench.groups if push in group)
    assert set(waiting[:3]) <= set(group), "what is handed over is durable with the push"
    assert bench.ask("exists k") == [b":0\r\n"]
    assert bench.waiting == 2


def test_the_commands_of_a_pipeline_are_not_a_unit(bench: Bench) -> None:
    first, second = bench.block(1, "blpop k 0"), bench.block(2, "blpop k 0")
    assert bench.ask("rpush k a;lpop k;rpush k b;lpop k") == [b":1\r\n$-1\r\n:1\r\n$-1\r\n"]
    assert bench.wait(first, second) == [pair("k", "a"), pair("k", "b")]


def test_those_of_a_transaction_are(bench: Bench) -> None:
    waiting = bench.block(1, "blpop k 0")
    texts = "rpush k a b;lpop k;rpush k c"
    assert bench.ask(texts, flags=RunFlags.ATOMIC) == [b"*3\r\n:2\r\n$1\r\na\r\n:2\r\n"]
    assert bench.wait(waiting) == [pair("k", "b")]
    gone = bench.block(1, "blpop gone 0")
    assert bench.ask("rpush gone a;del gone", flags=RunFlags.ATOMIC) == [b"*2\r\n:1\r\n:1\r\n"]
    bench.settle()
    assert gone not in bench.replies


def test_a_move_wakes_those_who_wait_for_its_destination(bench: Bench) -> None:
    last = bench.block(1, "blpop c 0")
    middle = bench.block(2, "brpoplpush b c 0")
    first = bench.block(3, "blmove a b left left 0")
    bench.ask("rpush a x")
    assert bench.wait(first, middle, last) == [b"$1\r\nx\r\n", b"$1\r\nx\r\n", pair("c", "x")]
    assert bench.ask("dbsize") == [b":0\r\n"]


def test_another_kind_wakes_nobody_but_is_an_error_for_who_wakes_up(bench: Bench) -> None:
    waiting = bench.block(1, "blpop a b 0")
    bench.ask("set a v", "zadd b 1 m", "del b")
    assert waiting not in bench.replies
    bench.ask("rpush b x")
    assert bench.wait(waiting)[0].startswith(b"-WRONGTYPE ")
    assert bench.ask("lpop b") == [b"$1\r\nx\r\n"]


def test_each_way_to_make_a_key_wakes(bench: Bench) -> None:
    bench.ask("rpush stored 2 1")
    (dumped,) = bench.ask("dump stored")
    payload = dumped.split(b"\r\n", 1)[1][:-2]
    ways = [
        "rename other k", "copy other k", "lmove other k left left", "sort stored store k",
        "linsert other before x y;rename other k",
    ]  # fmt: skip
    for way in ways:
        bench.ask("rpush other x")
        waiting = bench.block(1, "blpop k 0")
        bench.ask(way)
        assert bench.wait(waiting)[0].startswith(b"*2\r\n$1\r\nk\r\n"), way
        bench.ask("del k other")
    waiting = bench.block(1, "blpop k 0")
    run = bench._run(7, "restore k 0 payload")
    run.commands[0][3] = payload
    bench.runtime.handle(Request([run], []))
    assert bench.wait(run.id, waiting)[1] == pair("k", "2")


def test_a_key_from_another_database_wakes(bench: Bench) -> None:
    for way in ("move k 0", "swapdb 0 1"):
        waiting = bench.block(1, "blpop k 0")
        run = bench._run(9, f"rpush k a;{way}")
        run.db = 1
        bench.runtime.handle(Request([run], []))
        assert bench.wait(waiting) == [pair("k", "a")], way


def test_one_push_does_not_try_them_all(bench: Bench) -> None:
    waiting = [bench.block(source, "blpop k 0") for source in range(1, 301)]
    waiting += [bench.block(source, "bzpopmin k 0") for source in range(301, 601)]
    bench.settle()
    before = dict(calls(bench))
    bench.ask("rpush k a")
    bench.wait(waiting[0])
    assert calls(bench)["blpop"] - before.get("blpop", 0) == 1
    assert "bzpopmin" not in calls(bench)
    assert bench.waiting == 599


def calls(bench: Bench) -> dict[str, int]:
    return {name: usage.calls for name, usage in bench.runtime.executor.usage.items()}


def test_consumers_of_a_group_are_served_until_nothing_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ask("xgroup create s g $ mkstream")
    line = "xreadgroup group g c{0} count 1 block 0 streams s >"
    waiting = [bench.block(source, line.format(source)) for source in range(1, 101)]
    executed = []
    execute = bench.runtime.executor.execute

    def counted(*arguments: Any) -> list[bytes]:
        executed.append(arguments)
        return execute(*arguments)

    monkeypatch.setattr(bench.runtime.executor, "execute", counted)
    bench.ask("xadd s 1-1 f v;xadd s 2-1 f v")
    first, second = bench.wait(*waiting[:2])
    assert b"1-1" in first
    assert b"2-1" in second
    assert bench.waiting == 98
    assert len(executed) <= 8, "who is alike is not tried again and again"


def test_readers_of_a_stream_all_get_what_is_new(bench: Bench) -> None:
    bench.ask("xadd s 1-1 f v")
    waiting = [bench.block(source, "xread block 0 streams s $") for source in (1, 2)]
    later = bench.block(3, "xread block 0 streams s 9-9")
    bench.ask("xadd s 2-1 f v")
    one, two = bench.wait(*waiting)
    assert one == two
    assert b"2-1" in one
    bench.ask("xadd s 9-9 f v")
    assert later not in bench.replies
    bench.ask("xadd s 9-10 f v")
    assert b"9-10" in bench.wait(later)[0]


@pytest.mark.parametrize(
    ("way", "error"),
    [
        (
            "del s",
            b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
        ("xgroup destroy s g", b"-NOGROUP "),
        ("rename s t", b"-NOGROUP "),
        ("rename other s", b"-NOGROUP "),
        ("set s v", b"-WRONGTYPE "),
        ("flushall", b"-NOGROUP "),
        ("swapdb 0 1", b"-NOGROUP "),
        ("pexpire s 1", b"-NOGROUP "),
        ("del s;rpush s x", b"-NOGROUP "),
    ],
)
def test_a_group_that_goes_ends_the_wait(bench: Bench, way: str, error: bytes) -> None:
    bench.ask("xgroup create s g $ mkstream", "xadd other 1-1 f v")
    waiting = bench.block(1, "xreadgroup group g c block 0 streams s >")
    reader = bench.block(2, "xread block 0 streams s 5-5")
    bench.ask(way)
    assert bench.wait(waiting)[0].startswith(error)
    assert reader not in bench.replies


def test_time_passes(bench: Bench) -> None:
    started_ns = monotonic_ns()
    late = bench.block(1, "blmove k l left left 0.05")
    never = bench.block(2, "blpop k 0")
    assert bench.wait(late) == [b"*-1\r\n"]
    assert monotonic_ns() - started_ns >= 50_000_000
    assert never not in bench.replies
    assert bench.waiting == 1


def test_time_runs_from_the_arrival_of_the_command(bench: Bench) -> None:
    run = bench._run(1, "blpop k 5", RunFlags.BLOCKING)
    run.arrived_ns -= 5_000_000_000
    bench.runtime.handle(Request([run], []))
    assert bench.wait(run.id) == [b"*-1\r\n"]


def test_who_has_gone_takes_nothing(bench: Bench) -> None:
    """Even where the news comes in one frame with the push."""
    gone, stays = bench.block(1, "blpop k 0"), bench.block(2, "blpop k 0")
    bench.runtime.handle(Request([bench._run(3, "rpush k a")], [], [1, 77]))
    assert bench.wait(stays) == [pair("k", "a")]
    assert gone not in bench.replies
    assert bench.runtime.keyspace.observation.observer is None, "nobody listens any more"


def test_a_wait_can_be_ended_by_others(bench: Bench) -> None:
    first, second = bench.block(1, "blpop k 0"), bench.block(2, "blpop k 0")
    assert bench.query("unblock", source=1, with_error=False) is True
    assert bench.query("unblock", source=2, with_error=True) is True
    assert bench.query("unblock", source=2, with_error=True) is False
    assert bench.wait(first, second) == [
        b"*-1\r\n",
        b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
    ]
    assert bench.ask("rpush k a") == [b":1\r\n"]


def test_an_orderly_stop_leaves_nobody_waiting(bench: Bench) -> None:
    waiting = bench.block(1, "blpop k 0")
    bench.query("finish_runs")
    later = bench.block(2, "blpop k 0")
    assert bench.wait(waiting, later) == [b"", b""]


def test_refused_writes_refuse_to_wait(bench: Bench) -> None:
    bench.runtime.engine.housekeeping.problem = DiskFullError("too little room")
    assert bench.wait(bench.block(1, "blpop k 0"))[0].startswith(b"-")
    reader = bench.block(2, "xread block 0 streams s $")
    bench.settle()
    assert bench.waiting == 1
    bench.runtime.engine.housekeeping.problem = None
    bench.ask("xadd s 1-1 f v")
    assert b"1-1" in bench.wait(reader)[0]


def test_held_back_writes_wake_nobody_before_their_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = bench.block(1, "blpop k 0")
    engine = bench.runtime.engine
    delay_s = [0.05]
    monkeypatch.setattr(engine, "write_delay_s", lambda: delay_s[0])
    monkeypatch.setattr(engine.pressure, "is_free", lambda: delay_s[0] == 0)
    (push,) = bench.send("rpush k a b")
    deferred = bench.block(2, "blpop k 0")
    given_up = bench.block(3, "blpop k 0")
    read = bench._run(4, "get x")
    bench.runtime.handle(Request([read], []))
    assert bench.wait(read.id) == [b"$-1\r\n"]
    assert bench.replies.keys().isdisjoint({push, waiting, deferred, given_up})
    bench.runtime.handle(Request([], [], [3]))
    delay_s[0] = 0.0
    assert bench.wait(push, waiting, deferred) == [b":2\r\n", pair("k", "a"), pair("k", "b")]
    assert bench.ask("rpush k c") == [b":1\r\n"]
