"""A connection ends when its last reply has left, also where that reply is a silent one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kiwi_engine.config.settings import Settings
from kiwi_engine.resp.request import Limits
from kiwi_engine.server.network.connection import Connection
from kiwi_engine.server.network.latency.recorder import LatencyRecorder
from kiwi_engine.server.network.output_limits import SlowReaders
from kiwi_engine.server.network.pauses import Pauses
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.slots import Slot
from kiwi_engine.server.network.statistics import NetworkStatistics


class FakeTransport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def writelines(self, data: list[bytes]) -> None:
        self.write(b"".join(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

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

    def submit_blocking(self, slot: Slot) -> None:
        self.slots.append(slot)

    def when_relieved(self, line: Any, resume: Any) -> None:
        self.waiting.append(resume)

    def forget(self, source: int, slot: Slot | None) -> None:
        pass


class Bench:
    def __init__(self, command_bytes_max: int = 1 << 20) -> None:
        self.storage = FakeStorage()
        self.transport = FakeTransport()
        session = Session(
            1, "127.0.0.1:1", "127.0.0.1:2", 0, authenticated=True, file_descriptor=5, is_local=True
        )
        self.statistics = NetworkStatistics()
        runtime = SimpleNamespace(
            storage=self.storage,
            statistics=self.statistics,
            spanning=None,
            config=SimpleNamespace(settings=Settings()),
            admit=lambda connection, transport: session,
            limits=lambda session: Limits(1 << 20, command_bytes_max),
            slow_readers=SlowReaders(Settings().client_output_buffer_limit, NetworkStatistics()),
            refuse=lambda session, words: None,
            forget=lambda connection: None,
            is_quiet=True,
            pauses=Pauses(lambda: None),
            monitors=(),
            latency=LatencyRecorder(Settings(), lambda source: session),
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
    closed_early = bench.transport.closed
    assert not closed_early
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


def words(*names: bytes) -> bytes:
    return b"".join(b"*1\r\n$%d\r\n%b\r\n" % (len(name), name) for name in names)


def test_a_transaction_that_grows_too_large_ends_its_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The bound is that of one command, because what is executed at once is one log record."""
    bench = Bench(command_bytes_max=1000)
    bench.connection.data_received(words(b"MULTI") + words(b"RANDOMKEY") * 8)
    assert b"".join(bench.transport.written) == b"+OK\r\n" + b"+QUEUED\r\n" * 8
    bench.connection.data_received(words(b"RANDOMKEY") + words(b"EXEC"))
    assert bench.transport.closed
    assert bench.statistics.query_limit_disconnections == 1
    assert "its query buffer limit ends it: id=1 addr=127.0.0.1:1" in caplog.text
    assert not bench.storage.slots


def test_a_failure_in_turn_ends_its_own_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    """It happens while replies are handed out, those of other connections behind it."""
    bench = Bench()
    bench.connection.data_received(b"SET k v\r\nSUBSCRIBE c\r\n")
    bench.storage.slots[0].complete(b"+OK\r\n")
    assert bench.transport.closed
    assert bench.transport.written == [b"+OK\r\n"]
    assert "connection 1 failed" in caplog.text


def test_what_was_held_is_as_new_when_it_is_taken_up() -> None:
    """Its time would be over at once otherwise, and its client be taken for an idle one."""

    async def test() -> None:
        bench = Bench()
        session = bench.connection.session
        bench.connection.data_received(b"BLPOP q 0\r\n")
        bench.connection.data_received(b"SET k v\r\n")
        session.last_interaction_ns = 1
        bench.storage.slots[0].complete(b"*-1\r\n")
        await asyncio.sleep(0)
        assert bench.storage.slots[1].commands == [[b"SET", b"k", b"v"]]
        assert bench.storage.slots[1].arrived_ns == session.last_interaction_ns > 1

    asyncio.run(test())


def test_a_failure_behind_a_wait_ends_the_connection() -> None:
    """Nobody would ever take up what it holds."""

    async def test() -> None:
        bench = Bench()
        bench.connection.data_received(b"BLPOP q 0\r\nSELECT 1\r\nGET k\r\n")
        bench.storage.slots[0].complete(b"*-1\r\n")
        await asyncio.sleep(0)
        assert bench.transport.closed

    asyncio.run(test())


def test_a_half_closed_client_hears_of_broken_input_behind_a_wait() -> None:
    async def test() -> None:
        bench = Bench()
        bench.connection.data_received(b"BLPOP q 0\r\n*x\r\n")
        assert bench.connection.eof_received()
        bench.storage.slots[0].complete(b"*-1\r\n")
        assert not bench.transport.closed
        await asyncio.sleep(0)
        error = b"-ERR Protocol error: invalid multibulk length\r\n"
        assert b"".join(bench.transport.written) == b"*-1\r\n" + error
        assert bench.transport.closed

    asyncio.run(test())


def test_a_half_closed_client_gets_all_replies_to_what_was_held() -> None:
    """The reply to one of them is not the last one, although no other is owed at that moment."""

    async def test() -> None:
        bench = Bench()
        bench.connection.data_received(b"BLPOP q 0\r\nECHO a\r\nGET k\r\n")
        assert bench.connection.eof_received()
        bench.storage.slots[0].complete(b"*-1\r\n")
        await asyncio.sleep(0)
        assert not bench.transport.closed
        bench.storage.slots[1].complete(b"$-1\r\n")
        assert b"".join(bench.transport.written) == b"*-1\r\n$1\r\na\r\n$-1\r\n"
        assert bench.transport.closed

    asyncio.run(test())


def test_a_half_closed_client_gets_the_replies_to_all_that_it_sent_in_one_piece() -> None:
    """Over TLS its good-bye may be in the same piece, of which most has not had its turn."""

    async def test() -> None:
        bench = Bench()
        count = 20_000
        bench.connection.data_received(words(b"PING") * count + b"*1\r\n$40\r\nunfinished")
        assert bench.connection.eof_received()
        for _ in range(count // 200):
            await asyncio.sleep(0)
        assert b"".join(bench.transport.written) == b"+PONG\r\n" * count
        assert bench.transport.closed

    asyncio.run(test())
