"""TLS on buffers in memory: both ends are played here, byte by byte where that matters."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import weakref
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.transport.handshakes import Handshakes
from kiwi_engine.server.network.transport.tls_context import make_context
from kiwi_engine.server.network.transport.tls_layer import TlsLayer
from tests.transport.files import client_context, server_files

SETTINGS = msgspec.structs.replace(
    Settings(tls_port=1, tls_auth_clients="optional"),
    **{name.replace("-", "_"): path for name, path in server_files().items()},
)


class FakeSocket:
    """The transport of a socket whose other end is the test."""

    def __init__(self) -> None:
        self.sent = b""
        self.events: list[str] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.sent += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True
        self.events.append("close")

    def abort(self) -> None:
        self.closing = True
        self.events.append("abort")

    def pause_reading(self) -> None:
        self.events.append("pause")

    def resume_reading(self) -> None:
        self.events.append("resume")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.events.append(f"limits {high} {low}")

    def get_write_buffer_size(self) -> int:
        return 77

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5)}.get(name, default)


class FakeConnection(asyncio.Protocol):
    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.events: list[str] = []
        self.stays_at_eof = False
        self.on_data: Callable[[bytes], None] = self.received.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.on_data(data)

    def eof_received(self) -> bool:
        self.events.append("eof")
        return self.stays_at_eof

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


class Bench:
    """One client and one `TlsLayer`; `exchange` carries bytes both ways until both are silent."""

    def __init__(self, context: ssl.SSLContext | None = None, **settings: Any) -> None:
        self.has_room = True
        self.timeout_ms = 60_000
        self.handshakes = Handshakes(lambda: self.has_room, lambda: self.timeout_ms)
        self.connections: list[FakeConnection] = []
        self.layer = TlsLayer(
            make_context(msgspec.structs.replace(SETTINGS, **settings)).context,
            self._make_connection,
            self.handshakes,
        )
        self.socket = FakeSocket()
        self.to_client, self.to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = (context or client_context()).wrap_bio(
            self.to_client, self.to_server, server_hostname="localhost"
        )

    def _make_connection(self) -> FakeConnection:
        self.connections.append(FakeConnection())
        return self.connections[-1]

    @property
    def connection(self) -> FakeConnection:
        (connection,) = self.connections
        return connection

    def connect(self) -> None:
        self.layer.connection_made(self.socket)  # type: ignore[arg-type]

    def shake_hands(self, piece: int = 1 << 20) -> None:
        self.connect()
        for _ in range(3):
            try:
                self.client.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.exchange(piece)
        self.exchange(piece)

    def exchange(self, piece: int = 1 << 20) -> None:
        data = self.to_server.read()
        for position in range(0, len(data), piece):
            self.layer.data_received(data[position : position + piece])
        self.to_client.write(self.socket.sent)
        self.socket.sent = b""

    def read(self) -> bytes:
        """What the server has sent."""
        self.exchange()
        received = b""
        try:
            while data := self.client.read(1 << 20):
                received += data
        except ssl.SSLWantReadError:
            pass
        return received


def with_loop(test: Callable[[], None]) -> Callable[[], None]:
    """Run a test inside an event loop, which deadlines need."""

    def run() -> None:
        async def body() -> None:
            test()

        asyncio.run(body())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@with_loop
def test_both_ways() -> None:
    bench = Bench()
    bench.shake_hands()
    assert bench.connection.events == ["made"]
    bench.client.write(b"PING")
    bench.exchange()
    assert bench.connection.received == [b"PING"]
    bench.layer.write(b"PONG")
    bench.layer.writelines([b"a", b"b", b"c"])
    assert bench.read() == b"PONGabc"
    assert bench.handshakes.facts()["tls_handshakes"] == 1


@with_loop
def test_bytes_may_come_one_by_one() -> None:
    bench = Bench()
    bench.shake_hands(piece=1)
    bench.client.write(b"PING")
    bench.exchange(piece=1)
    assert bench.connection.received == [b"PING"]


@with_loop
def test_what_comes_with_the_end_of_the_handshake_is_not_lost() -> None:
    bench = Bench()
    bench.connect()
    with pytest.raises(ssl.SSLWantReadError):
        bench.client.do_handshake()
    bench.exchange()
    bench.client.do_handshake()
    bench.client.write(b"PING")
    bench.exchange()
    assert bench.connection.received == [b"PING"]


@with_loop
def test_many_records_are_delivered_as_one_piece() -> None:
    bench = Bench()
    bench.shake_hands()
    data = bytes(range(256)) * 1024
    rest = memoryview(data)
    while rest:
        rest = rest[bench.client.write(rest) :]
    bench.exchange()
    assert bench.connection.received == [data]


@with_loop
def test_large_replies() -> None:
    bench = Bench()
    bench.shake_hands()
    data = bytes(range(256)) * (4 << 10)
    bench.layer.write(memoryview(data))
    assert bench.read() == data


@with_loop
def test_flow_control_is_that_of_the_socket() -> None:
    bench = Bench()
    bench.layer.connection_made(bench.socket)  # type: ignore[arg-type]
    bench.layer.pause_writing()
    bench.layer.resume_writing()
    bench = Bench()
    bench.shake_hands()
    # One that was paused before there was a connection is not told of the end alone.
    bench.layer.resume_writing()
    bench.layer.pause_writing()
    bench.layer.resume_writing()
    assert bench.connection.events == ["made", "pause", "resume"]
    bench.layer.pause_reading()
    bench.layer.resume_reading()
    bench.layer.set_write_buffer_limits(high=5)
    assert bench.socket.events == ["pause", "resume", "limits 5 None"]
    assert bench.layer.get_write_buffer_size() == 77
    assert bench.layer.get_extra_info("peername") == ("127.0.0.1", 5)
    assert bench.layer.get_extra_info("nosuch", 1) == 1


@with_loop
def test_a_close_says_good_bye_behind_the_last_reply() -> None:
    bench = Bench()
    bench.shake_hands()
    bench.layer.write(b"last")
    bench.layer.close()
    bench.layer.close()
    assert bench.layer.is_closing()
    assert bench.socket.events == ["close"]
    bench.layer.write(b"too late")
    bench.to_client.write(bench.socket.sent)
    assert bench.client.read(100) == b"last"
    assert bench.client.read(100) == b"", "a good-bye, not a connection that was cut"
    bench.layer.connection_lost(None)
    assert bench.connection.events == ["made", "lost"]


@with_loop
def test_nothing_is_delivered_once_the_connection_closes() -> None:
    bench = Bench()
    bench.shake_hands()
    bench.connection.on_data = lambda data: bench.layer.abort()
    bench.client.write(b"1")
    bench.exchange()
    assert bench.socket.events == ["abort"]
    bench.client.write(b"2")
    bench.exchange()
    assert bench.connection.received == []


@with_loop
def test_a_client_that_says_good_bye_may_wait_for_replies() -> None:
    bench = Bench()
    bench.shake_hands()
    bench.connection.stays_at_eof = True
    bench.client.write(b"GET")
    with pytest.raises(ssl.SSLWantReadError):
        bench.client.unwrap()
    bench.exchange()
    assert bench.connection.received == [b"GET"]
    assert bench.connection.events == ["made", "eof"]
    assert bench.layer.eof_received(), "the end of the TCP stream behind it is no surprise"
    assert bench.socket.events == []
    bench.layer.write(b"reply")
    bench.layer.close()
    assert bench.socket.events == ["close"]
    assert bench.socket.sent


@with_loop
def test_one_that_waits_for_nothing_is_closed() -> None:
    bench = Bench()
    bench.shake_hands()
    with pytest.raises(ssl.SSLWantReadError):
        bench.client.unwrap()
    bench.exchange()
    assert bench.socket.events == ["close"]
    bench.client.unwrap()


@with_loop
def test_a_client_that_is_cut_off_waits_for_nothing() -> None:
    bench = Bench()
    bench.shake_hands()
    assert not bench.layer.eof_received()
    bench.layer.connection_lost(None)
    assert bench.connection.events == ["made", "lost"]


@with_loop
def test_garbage_behind_the_handshake_ends_the_connection() -> None:
    bench = Bench()
    bench.shake_hands()
    bench.layer.data_received(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert bench.socket.events == ["abort"]
    assert bench.connection.received == []
    bench.layer.connection_lost(None)
    assert bench.connection.events == ["made", "lost"]


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"*1\r\n$4\r\nPING\r\n", b"-ERR Protocol error: plain text on a port with TLS\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", b"-ERR Protocol error: plain text on a port with TLS\r\n"),
        (bytes(100), b"-ERR Protocol error: plain text on a port with TLS\r\n"),
        # Nothing but TLS begins like this.
        (b"\x16\x03\x01\xff\xff" * 100, b"\x15\x03"),
    ],
)
def test_who_speaks_no_tls_leaves_nothing_behind(data: bytes, answer: bytes) -> None:
    async def test() -> None:
        bench = Bench()
        bench.connect()
        bench.layer.data_received(data)
        assert bench.socket.events == ["close"]
        assert bench.socket.sent.startswith(answer)
        assert bench.handshakes.facts()["tls_handshakes_failed"] == 1
        bench.layer.connection_lost(None)
        assert bench.handshakes.facts()["tls_handshakes_failed"] == 1
        assert len(bench.handshakes) == 0
        assert bench.connections == []

    asyncio.run(test())


@with_loop
def test_who_leaves_in_the_handshake_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.connect()
    assert len(bench.handshakes) == 1
    assert not bench.layer.eof_received()
    bench.layer.connection_lost(None)
    assert len(bench.handshakes) == 0
    assert bench.handshakes.facts()["tls_handshakes_failed"] == 1
    assert bench.connections == []


def test_who_takes_too_long_is_cut_off() -> None:
    async def test() -> None:
        bench = Bench()
        bench.timeout_ms = 1
        bench.connect()
        for _ in range(10_000):
            if bench.socket.events:
                break
            await asyncio.sleep(0.001)
        assert bench.socket.events == ["abort"]
        bench.layer.connection_lost(None)
        facts = bench.handshakes.facts()
        assert (facts["tls_handshakes_timed_out"], facts["tls_handshakes_failed"]) == (1, 0)

    asyncio.run(test())


def test_a_handshake_in_time_is_not_cut_off_later() -> None:
    async def test() -> None:
        bench = Bench()
        bench.timeout_ms = 20
        bench.shake_hands()
        assert bench.connections, "the machine is too slow for this test"
        await asyncio.sleep(0.05)
        assert bench.socket.events == []

    asyncio.run(test())


@with_loop
def test_without_room_there_is_no_handshake() -> None:
    bench = Bench()
    bench.has_room = False
    bench.connect()
    assert bench.socket.events == ["abort"]
    bench.layer.connection_lost(None)
    assert bench.handshakes.facts()["tls_handshakes_failed"] == 0


@pytest.mark.parametrize(
    ("word", "name", "is_let_in"),
    [
        ("yes", "client", True),
        ("yes", None, False),
        ("yes", "stranger", False),
        ("optional", None, True),
        ("optional", "client", True),
        ("optional", "stranger", False),
        ("no", None, True),
        ("no", "stranger", True),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificates_of_clients(
    word: str, name: str | None, is_let_in: bool, version: ssl.TLSVersion
) -> None:
    async def test() -> None:
        context = client_context(name)
        context.maximum_version = version
        bench = Bench(context, tls_auth_clients=word)
        # With TLS 1.3 a client has finished before it is turned away, with TLS 1.2 it has not.
        with contextlib.suppress(ssl.SSLError):
            bench.shake_hands()
        assert bool(bench.connections) is is_let_in
        assert bench.handshakes.facts()["tls_handshakes_failed"] == (not is_let_in)

    asyncio.run(test())


@with_loop
def test_versions_that_are_not_spoken() -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    bench = Bench(context, tls_protocols=("TLSv1.3",))
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        bench.shake_hands()
    assert bench.connections == []


@with_loop
def test_dead_connections_are_freed_without_the_garbage_collector() -> None:
    bench = Bench()
    bench.shake_hands()
    gc.disable()
    try:
        bench.layer.connection_lost(None)
        connection = weakref.ref(bench.connections.pop())
        assert connection() is None
    finally:
        gc.enable()
