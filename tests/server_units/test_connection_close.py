"""A connection ends when its last reply has left, also where that reply is a silent one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kiwi_engine.config.settings import Settings
from kiwi_engine.resp.request import Limits
from kiwi_engine.server.connection import Connection
from kiwi_engine.server.session import Session
from kiwi_engine.server.slots import Slot
from kiwi_engine.server.statistics import NetworkStatistics


class FakeTransport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class FakeStorage:
    """Takes runs; `accepts` is what it says about further reading."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.accepts = True
        self.waiting: list[Any] = []

    def submit(self, slot: Slot, now_ns: int) -> bool:
        self.slots.append(slot)
        return self.accepts

    def when_relieved(self, line: Any, resume: Any) -> None:
        self.waiting.append(resume)


class Bench:
    def __init__(self) -> None:
        self.storage = FakeStorage()
        self.transport = FakeTransport()
        session = Session(
            1, "127.0.0.1:1", "127.0.0.1:2", 0, authenticated=True, file_descriptor=5, is_local=True
        )
        runtime = SimpleNamespace(
            storage=self.storage,
            statistics=NetworkStatistics(),
            config=SimpleNamespace(settings=Settings()),
            admit=lambda connection, transport: session,
            limits=lambda session: Limits(bulk_bytes_max=1 << 20, authenticated=True),
            refuse=lambda session, words: None,
            forget=lambda connection: None,
        )
        self.connection = Connection(cast(Any, runtime))
        self.connection.connection_made(cast(asyncio.BaseTransport, self.transport))


@pytest.mark.parametrize("mode", [b"", b"CLIENT REPLY OFF\r\n", b"CLIENT REPLY SKIP\r\n"])
def test_a_half_closed_client_is_closed_after_its_last_reply(mode: bytes) -> None:
    bench = Bench()
    if mode:
        bench.connection.data_received(mode)
    bench.connection.data_received(b"SET k v\r\n")
    assert bench.connection.eof_received(), "what it sent is answered before it is closed"
    assert not bench.transport.closed
    bench.storage.slots[-1].complete(b"+OK\r\n")
    assert bench.transport.closed
    assert b"".join(bench.transport.written) == (b"" if mode else b"+OK\r\n")


def test_it_reads_again_only_when_every_reason_to_wait_is_gone() -> None:
    bench = Bench()
    bench.storage.accepts = False
    bench.connection.data_received(b"SET k v\r\n")
    bench.connection.pause_writing()
    assert not bench.transport.reading
    bench.storage.waiting.pop()()
    assert not bench.transport.reading
    bench.connection.resume_writing()
    assert bench.transport.reading


def test_replies_to_a_client_that_is_gone_go_nowhere() -> None:
    bench = Bench()
    bench.connection.data_received(b"GET k\r\n")
    bench.connection.connection_lost(None)
    bench.storage.slots[0].complete(b"$-1\r\n")
    assert bench.transport.written == []
