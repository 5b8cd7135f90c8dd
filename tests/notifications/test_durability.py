"""Nothing is told that a crash could take back: the storage runtime on a real directory."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kiwi_engine.channel.events import EVENT_RUN, Published, decode_event
from kiwi_engine.channel.frames import Query, Request, Run
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.storage.runtime import Answer, StorageRuntime
from tests.support.servers import wait_until

SET = [b"SET", b"k", b"v"]
TOLD = [
    Published(b"__keyspace@0__:k", b"set"),
    Published(b"__keyevent@0__:set", b"k"),
]


class Runtime:
    """A storage runtime, and what it has sent: replies of runs, and events."""

    def __init__(self, directory: Path, classes: str) -> None:
        settings = msgspec.structs.replace(
            Settings(), dir=str(directory), wal_segment_size=1 << 20, disk_reserve=0
        )
        self.replies: list[bytes] = []
        self.events: list[object] = []
        self.runtime = StorageRuntime(settings, self._send)
        self.configure(classes)

    def configure(self, classes: str) -> None:
        self.query("config_set", {"notify_keyspace_events": classes})

    def query(self, method: str, parameters: dict[str, object]) -> None:
        self.runtime.handle(Request([], [Query(1, method, parameters)]))

    def run(self, *commands: list[bytes]) -> None:
        self.runtime.handle(Request([Run(1, 0, 0, False, list(commands))], []))

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Answer]) -> None:
        for run, blob in replies:
            if run == EVENT_RUN:
                self.events.append(decode_event(blob))
            else:
                self.replies.append(blob)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(tmp_path / "data", "KE$")
    yield made
    made.runtime.close()


def test_events_leave_with_the_replies_of_their_group(
    bench: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = bench.runtime.engine.opened.log
    sync, may_sync, is_syncing = log.sync, threading.Event(), threading.Event()

    def wait_and_sync() -> None:
        is_syncing.set()
        assert may_sync.wait(30)
        sync()

    monkeypatch.setattr(log, "sync", wait_and_sync)
    bench.run(SET)
    assert is_syncing.wait(30)
    assert bench.events == bench.replies == []
    may_sync.set()
    wait_until(lambda: bool(bench.replies), "the reply")
    assert bench.replies == [b"+OK\r\n"]
    assert bench.events == TOLD


def test_what_was_not_synced_is_not_told(bench: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(bench.runtime.engine.opened.log, "sync", fail)
    bench.run(SET)
    wait_until(lambda: bool(bench.replies), "the reply")
    assert bench.replies[0].startswith(b"-UNKNOWN")
    assert bench.events == []


def test_the_setting_may_change(bench: Runtime) -> None:
    bench.configure("")
    bench.run(SET)
    bench.configure("E$")
    bench.run(SET)
    wait_until(lambda: len(bench.replies) == 2, "the replies")
    assert bench.events == TOLD[1:]


def test_keys_that_expire_in_the_background(tmp_path: Path) -> None:
    bench = Runtime(tmp_path / "data", "Ex")
    bench.run([b"PSETEX", b"k", b"1", b"v"])

    def tick() -> bool:
        bench.runtime.tick()
        return bool(bench.events)

    wait_until(tick, "the event")
    assert bench.events == [Published(b"__keyevent@0__:expired", b"k")]
    bench.runtime.close()
