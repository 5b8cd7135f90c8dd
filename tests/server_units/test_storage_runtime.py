"""The storage runtime on a real directory, without processes: runs in, replies out."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kiwi_engine.channel.events import EVENT_RUN
from kiwi_engine.channel.frames import Query, Request, Run
from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.storage.runtime import Answer, StorageRuntime

WAIT_NS = 20_000_000_000


class Bench:
    """A runtime and what it sent."""

    def __init__(self, directory: Path, **changes: Any) -> None:
        settings = msgspec.structs.replace(
            Settings(), dir=str(directory), wal_segment_size=1 << 20, disk_reserve=0, **changes
        )
        self.replies: dict[int, bytes] = {}
        self.answers: list[Answer] = []
        self._lock = threading.Lock()
        self.runtime = StorageRuntime(settings, self._send)
        self._run_id = 0

    def ask(self, *runs: list[list[bytes]]) -> list[bytes]:
        """Send runs in one frame; their replies, when all are there."""
        ids = range(self._run_id + 1, self._run_id + 1 + len(runs))
        self._run_id += len(runs)
        request = Request([Run(i, 0, 0, False, r) for i, r in zip(ids, runs, strict=True)], [])
        self.runtime.handle(request)
        deadline_ns = monotonic_ns() + WAIT_NS
        while not all(i in self.replies for i in ids):
            assert monotonic_ns() < deadline_ns, "no reply"
            sleep(0.001)
        return [self.replies[i] for i in ids]

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Answer]) -> None:
        # On a busy machine there are events, too: of commands that took long.
        answered = {identity: blob for identity, blob in replies if identity != EVENT_RUN}
        with self._lock:
            assert not self.replies.keys() & answered.keys(), "one reply a run"
            self.replies.update(answered)
            self.answers += answers


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def words(*lines: bytes) -> list[list[bytes]]:
    return [line.split() for line in lines]


def test_runs_are_executed_in_order_and_answered_one_by_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "data")
    replies = bench.ask(words(b"set k 1", b"incr k"), words(b"get k"), words(b"nonsense", b"del k"))
    assert replies[:2] == [b"+OK\r\n:2\r\n", b"$1\r\n2\r\n"]
    assert replies[2].startswith(b"-ERR unknown command 'nonsense'")
    assert replies[2].endswith(b":1\r\n")
    bench.runtime.close()


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "data")
    bench.ask(words(b"mset a 1 b 2", b"del a"))
    bench.runtime.close()
    again = Bench(tmp_path / "data")
    assert again.ask(words(b"get a", b"get b", b"dbsize")) == [b"$-1\r\n$1\r\n2\r\n:1\r\n"]
    again.runtime.close()


def test_a_failed_sync_in_the_middle_of_a_frame_refuses_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run is a group of its own here: the second learns that the first one failed."""
    bench = Bench(tmp_path / "data", write_batch_max_count=1)
    bench.ask(words(b"set k old"))

    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(bench.runtime.engine.opened.log, "sync", fail)
    replies = bench.ask(*[words(b"set k %d" % number) for number in range(20)])
    assert replies[0].startswith(b"-UNKNOWN outcome: writing the log failed")
    assert all(reply.startswith((b"-MISCONF", b"-UNKNOWN")) for reply in replies)
    assert replies[-1].startswith(b"-MISCONF Kiwi Engine is read-only")
    assert bench.ask(words(b"get k")) == [b"$3\r\nold\r\n"], "reads go on"
    bench.runtime.close()


def test_a_background_cycle_that_fails_leaves_nothing_unlogged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "data")
    keyspace = bench.runtime.keyspace

    def fail(limit: int) -> int:
        bench.runtime.engine.store.put(b"m-half-done", b"x")
        raise RuntimeError("a damaged block")

    monkeypatch.setattr(keyspace, "reclaim", fail)
    bench.runtime._next_cycle_ns = 0
    with pytest.raises(RuntimeError):
        bench.runtime.tick()
    pipeline = bench.runtime.engine.pipeline
    pipeline.wait_idle()
    assert pipeline.acknowledged_lsn == 1, "what later commands see is in the log"
    bench.runtime.close()


def test_expired_fields_go_in_the_background_and_stay_away(tmp_path: Path) -> None:
    changes = {"packed_max_entries": 2}
    bench = Bench(tmp_path / "data", **changes)
    lines = words(b"hset h a 1 b 2 c 3 d 4", b"hpexpire h 1 fields 3 a b c", b"hset g a 1")
    bench.ask(lines, words(b"hpexpire g 1 fields 1 a"))
    bench.ask(words(b"hset keeps a 1 b 2", b"hpexpire keeps 1000000 fields 1 a"))
    deadline_ns = monotonic_ns() + WAIT_NS
    while bench.runtime.keyspace.expiry.expired_fields < 4:
        assert monotonic_ns() < deadline_ns, "nothing removes them"
        bench.runtime.tick()
        sleep(0.001)
    bench.runtime.close()
    bench = Bench(tmp_path / "data", **changes)
    replies = bench.ask(words(b"hgetall h", b"exists g"), words(b"hlen keeps", b"dbsize"))
    assert replies == [b"*2\r\n$1\r\nd\r\n$1\r\n4\r\n:0\r\n", b":2\r\n:2\r\n"]
    bench.runtime.close()


def test_queries(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "data")
    queries = [
        Query(1, "ping", {}),
        Query(2, "no-such", {}),
        Query(3, "stats", {}),
        Query(4, "config_set", {"write_batch_max_count": 7}),
        Query(5, "reset_statistics", {}),
    ]
    bench.runtime.handle(Request([], queries))
    assert [(identity, error) for identity, error, _ in bench.answers] == [
        (1, ""),
        (2, "no query is called no-such"),
        (3, ""),
        (4, ""),
        (5, ""),
    ]
    assert bench.answers[2][2]["persistence"]["durable_lsn"] == 0
    assert bench.runtime.engine.pipeline.limits.requests_max == 7
    bench.runtime.close()


def test_urgent_queries_come_first(tmp_path: Path) -> None:
    """In `runtime-mode single`, where no inbox answers them on their way."""
    bench = Bench(tmp_path / "data")
    run = Run(1, 0, 0, False, words(b"set k 1"))
    bench.runtime.handle(Request([run], [Query(2, "ping", {})], [], [Query(3, "stats", {})]))
    assert [identity for identity, _, _ in bench.answers] == [3, 2]
    assert bench.answers[0][2]["persistence"]["durable_lsn"] == 0
    bench.runtime.close()


def test_a_connection_whose_exec_did_not_get_here_watches_no_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "data")
    watched = bench.runtime.executor.watched
    bench.runtime.handle(Request([Run(1, 0, 0, False, words(b"watch k"), 5)], []))
    assert len(watched) == 1
    bench.runtime.handle(Request([], [Query(2, "unwatch", {"sources": [4, 5]})]))
    assert len(watched) == 0
    bench.runtime.close()
