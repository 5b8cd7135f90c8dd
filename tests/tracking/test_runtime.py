"""Tracking in a storage runtime on a real directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kiwi_engine.channel.events import Event, Flushed, Invalidated, decode_event
from kiwi_engine.channel.frames import Query, Request, Run, RunFlags
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.storage.runtime import Answer, StorageRuntime
from tests.support.servers import wait_until


class Bench:
    """`told` is what left, in its order: numbers of runs that were answered, and events."""

    def __init__(self, directory: Path) -> None:
        settings = msgspec.structs.replace(
            Settings(), dir=str(directory), wal_segment_size=1 << 20, disk_reserve=0
        )
        self.told: list[int | Event] = []
        self.runtime = StorageRuntime(settings, self._send)

    def send(self, *runs: Run, gone: tuple[int, ...] = ()) -> None:
        """One frame, and wait for its replies."""
        self.runtime.handle(Request(list(runs), [], list(gone)))
        wait_until(lambda: {run.id for run in runs} <= set(self._answered()), "replies")

    def follow(self, *, anybody: bool, all_keys: bool) -> None:
        parameters = {"anybody": anybody, "all_keys": all_keys}
        self.runtime.handle(Request([], [Query(1, "tracking", parameters)]))

    def changes(self) -> set[tuple[bytes, int]]:
        """The changed keys, and who changed them."""
        return {(event.key, event.by) for event in self.told if isinstance(event, Invalidated)}

    def ticked(self) -> bool:
        self.runtime.tick()
        return True

    def _answered(self) -> list[int]:
        self.runtime.tick()
        return [each for each in self.told if isinstance(each, int)]

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Answer]) -> None:
        self.told += [number or decode_event(blob) for number, blob in replies]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "data")
    yield bench
    bench.runtime.close()


def run(number: int, source: int, text: str, flags: int = 0) -> Run:
    commands = [line.encode().split() for line in text.split(";")]
    return Run(number, 0, 0, False, commands, source, flags, "", monotonic_ns())


def test_a_message_follows_the_reply_that_it_makes_stale(bench: Bench) -> None:
    bench.send(run(1, 5, "get k", RunFlags.TRACKED), run(2, 6, "set k 1"), run(3, 6, "flushall"))
    assert bench.told.index(1) < bench.told.index(Invalidated(b"k", [5], 6))
    assert bench.told.index(Invalidated(b"k", [5], 6)) < bench.told.index(Flushed(6))


def test_what_expires_in_the_background_was_changed_by_nobody(bench: Bench) -> None:
    bench.follow(anybody=True, all_keys=True)
    bench.send(run(1, 5, "set k 1 px 20;hset h f 1;hpexpire h 20 fields 1 f"))
    expected = {(b"k", 0), (b"h", 0)}
    wait_until(lambda: bench.ticked() and expected <= bench.changes(), "expiry", 10)


def test_one_that_leaves_with_its_last_commands_is_forgotten(bench: Bench) -> None:
    """They come in one frame, and who has left is named before the commands are run."""
    bench.send(run(1, 5, "get k;get l", RunFlags.TRACKED), gone=(5,))
    tracked = bench.runtime.executor.tracker.keys
    wait_until(lambda: bench.ticked() and not tracked, "nothing to be tracked", 10)


def test_the_query_turns_it_on_and_off(bench: Bench) -> None:
    bench.follow(anybody=True, all_keys=True)
    bench.send(run(1, 5, "set k 1"))
    assert bench.changes() == {(b"k", 5)}
    bench.follow(anybody=False, all_keys=False)
    observation = bench.runtime.keyspace.observation
    wait_until(lambda: bench.ticked() and observation.observer is None, "quiet", 10)
