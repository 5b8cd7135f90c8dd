"""What is sent to a connection within one tick of the event loop leaves together, and in order."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from kiwi_engine.config.output_limits import OutputLimit, OutputLimits
from kiwi_engine.resp.request import Limits
from kiwi_engine.server.network.connection import Connection
from kiwi_engine.server.network.output_limits import SlowReaders
from kiwi_engine.server.network.pubsub.registry import Subscriptions
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.statistics import NetworkStatistics


class Transport:
    """Remembers each write; `waiting` is what the kernel does not take."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.waiting = 0
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.writes.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.waiting


class Bench:
    """A connection of which nothing is tested but its output."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.session = Session(1, "127.0.0.1:1", "127.0.0.1:2", 0, authenticated=True)
        # Those that are to be flushed when the tick is over.
        self.later: list[Connection] = []
        statistics = NetworkStatistics()
        runtime = SimpleNamespace(
            storage=None,
            statistics=statistics,
            admit=lambda connection, transport: self.session,
            limits=lambda session: Limits(bulk_bytes_max=1 << 20, authenticated=True),
            slow_readers=SlowReaders(OutputLimits(pubsub=OutputLimit(hard=1000)), statistics),
            flush_later=self.later.append,
        )
        self.connection = Connection(cast(Any, runtime))
        self.connection.connection_made(cast(asyncio.BaseTransport, self.transport))

    def end_tick(self) -> None:
        for connection in self.later:
            connection.flush()
        self.later.clear()


def test_the_messages_of_a_tick_are_one_write() -> None:
    bench = Bench()
    for message in (b"one ", b"two ", b"three"):
        bench.connection.push(message)
    assert bench.transport.writes == []
    assert bench.connection.buffered_bytes() == (0, 13)
    assert bench.later == [bench.connection]
    bench.end_tick()
    assert bench.transport.writes == [b"one two three"]
    bench.connection.push(b"four")
    bench.end_tick()
    assert bench.transport.writes == [b"one two three", b"four"]
    assert bench.session.output_bytes == 17


def test_replies_keep_their_place_among_messages() -> None:
    bench = Bench()
    bench.connection.slot([]).complete(b"+first ")
    bench.connection.push(b"message ")
    bench.connection.slot([]).complete(b"+second ")
    bench.connection.push(b"message")
    bench.end_tick()
    assert bench.transport.writes == [b"+first ", b"message +second message"]


def test_what_was_gathered_is_sent_before_the_end() -> None:
    bench = Bench()
    bench.connection.push(b"message")
    bench.connection.close_when_answered()
    assert bench.transport.writes == [b"message"]
    assert bench.transport.is_closed
    bench.connection.push(b"too late")
    bench.end_tick()
    assert bench.transport.writes == [b"message"]


def test_nothing_is_sent_to_a_connection_that_was_cut_off() -> None:
    bench = Bench()
    bench.connection.push(b"message")
    bench.connection.abort()
    bench.end_tick()
    assert bench.transport.writes == []


def test_a_slow_one_is_looked_at_when_more_is_sent() -> None:
    bench = Bench()
    bench.session.subscriptions = Subscriptions()
    bench.connection.pause_writing()
    bench.transport.waiting = 999
    bench.connection.push(b"message")
    bench.end_tick()
    assert not bench.transport.is_closed
    bench.transport.waiting = 1000
    bench.connection.push(b"message")
    bench.end_tick()
    assert bench.transport.is_closed
