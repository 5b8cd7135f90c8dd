"""Listeners on real sockets of this process: taking addresses, changing them, giving them up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
import socket
import ssl
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError, ReplyError
from kiwi_engine.server.network.transport import listeners
from kiwi_engine.server.network.transport.addresses import Address
from kiwi_engine.server.network.transport.listeners import Listeners
from tests.support.ports import free_port
from tests.transport.files import certificate, client_context, key, server_files

LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
FAILED = "ERR CONFIG SET failed (possibly related to argument '{}') - {}"
NewLoop = Callable[[], asyncio.AbstractEventLoop]


class Greeter(asyncio.Protocol):
    """Says hello to each client, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        transport.write(b"hello")  # type: ignore[attr-defined]
        transport.close()


class Server:
    """Listeners with the settings of the call, in force at once."""

    def __init__(self, **settings: Any) -> None:
        files = {name.replace("-", "_"): path for name, path in server_files().items()}
        wanted = {**files, "tls_auth_clients": "no", **settings}
        self.config = LiveConfig(msgspec.structs.replace(Settings(), **wanted))
        self.listeners = Listeners(self.config, Greeter, lambda: True)

    async def __aenter__(self) -> Server:
        self.listeners.bind()
        await self.listeners.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        self.listeners.close()
        # What was accepted is closed by the loop.
        await asyncio.sleep(0.01)

    async def set(self, **pairs: str | int) -> None:
        words = [(name.replace("_", "-"), str(value)) for name, value in pairs.items()]
        self.config.set(words)
        await asyncio.sleep(0)

    def lines(self) -> dict[str, str]:
        found: dict[str, str] = self.listeners.sections()["server"]
        return found


async def greeting(port: int, host: str = "127.0.0.1", **options: Any) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, **options)
    data = await reader.read()
    writer.close()
    return data


async def is_refused(port: int, host: str = "127.0.0.1") -> bool:
    try:
        await greeting(port, host)
    except ConnectionRefusedError:
        return True
    return False


async def serial_number(port: int) -> int:
    """Of the certificate that a new connection gets."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context())
    shown = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    return int(shown["serialNumber"], 16)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


def run(new_loop: NewLoop, body: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(body)


def ports(count: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)


@LOOPS
def test_every_kind_of_address(new_loop: NewLoop, tmp_path: Path) -> None:
    async def body() -> None:
        plain, secure = ports(2)
        path = str(tmp_path / "socket")
        async with Server(port=plain, tls_port=secure, unixsocket=path, unixsocketperm=0o600):
            assert await greeting(plain) == b"hello"
            assert await greeting(secure, ssl=client_context()) == b"hello"
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read() == b"hello"
            writer.close()
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert os.listdir(tmp_path) == []
        assert await is_refused(plain)
        assert await is_refused(secure)

    run(new_loop, body())


@LOOPS
def test_ports_can_be_changed(new_loop: NewLoop) -> None:
    async def body() -> None:
        first, second = ports(2)
        async with Server(port=first) as server:
            await server.set(port=second)
            assert await greeting(second) == b"hello"
            assert await is_refused(first)
            # The same number, now with TLS: it has to be given up first.
            await server.set(port=0, tls_port=second)
            assert await greeting(second, ssl=client_context()) == b"hello"
            assert list(server.lines()) == ["listener2"]
            await server.set(port=first)
            assert await greeting(first) == b"hello"
            await server.set(port=0, tls_port=0)
            assert server.lines() == {}
            assert "tls" not in server.listeners.sections()

    run(new_loop, body())


@LOOPS
def test_addresses_can_be_changed(new_loop: NewLoop) -> None:
    async def body() -> None:
        (port,) = ports(1)
        async with Server(port=port) as server:
            for words, hosts in (
                ("127.0.0.1 127.0.0.2", ["127.0.0.1", "127.0.0.2"]),
                ("*", ["127.0.0.1", "127.0.0.2", "127.0.0.3"]),
                ("127.0.0.3", ["127.0.0.3"]),
                ("localhost -192.0.2.250", ["127.0.0.1"]),
            ):
                await server.set(bind=words)
                for host in hosts:
                    assert await greeting(port, host) == b"hello"
            assert await is_refused(port, "127.0.0.3")
            assert server.lines() == {"listener0": f"name=tcp,bind=localhost,port={port}"}

    run(new_loop, body())


@LOOPS
def test_what_cannot_be_had_changes_nothing(
    new_loop: NewLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        port, secure, taken, other = ports(4)
        with socket.create_server(("127.0.0.1", taken)):
            async with Server(port=port, tls_port=secure) as server:
                before = server.config.settings, server.lines()
                for pairs, name, reason in (
                    ({"port": taken}, "port", "Unable to listen on this port."),
                    ({"tls_port": taken}, "tls-port", "Unable to listen on this port."),
                    # The first address can be had, the second cannot; both ports have it.
                    ({"bind": "* 192.0.2.250"}, "bind", "Failed to bind to specified addresses."),
                    ({"port": other, "bind": "192.0.2.250"}, "bind", "Failed to bind"),
                    ({"port": secure, "tls_port": taken}, "port", "Unable to listen"),
                ):
                    with pytest.raises(ReplyError) as caught:
                        await server.set(**pairs)
                    assert caught.value.text.startswith(FAILED.format(name, reason))
                    assert (server.config.settings, server.lines()) == before
                    assert await greeting(port) == b"hello"
                    assert await greeting(secure, ssl=client_context()) == b"hello"
                assert await is_refused(other)
        assert f"127.0.0.1:{taken}: Address already in use" in caplog.text

    run(new_loop, body())


@LOOPS
def test_two_changes_at_once(new_loop: NewLoop) -> None:
    async def body() -> None:
        first, second, third, fourth = ports(4)
        async with Server(port=first) as server:
            server.config.set([("port", str(second))])
            server.config.set([("port", str(third))])
            await asyncio.sleep(0)
            server.config.set([("port", str(fourth))])
            await asyncio.sleep(0.01)
            assert await greeting(fourth) == b"hello"
            assert all([await is_refused(port) for port in (first, second, third)])

    run(new_loop, body())


def test_an_address_that_somebody_else_took_meanwhile(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is given up for another one, which cannot be had, and then is gone."""

    async def body() -> None:
        port, taken = ports(2)
        async with Server(port=port, bind=("127.0.0.1",)) as server:

            def refuse(address: Address, unix_mode: int, *, shares: bool) -> socket.socket:
                raise OSError(errno.EADDRINUSE, f"{address}: Address already in use")

            monkeypatch.setattr(listeners, "take", refuse)
            with pytest.raises(ReplyError, match="Failed to bind"):
                await server.set(bind="127.0.0.2")
            assert server.lines() == {}
            monkeypatch.undo()
            await server.set(port=taken)
            assert await greeting(taken) == b"hello"
        assert f"no longer listening on 127.0.0.1:{port}: Address already" in caplog.text

    run(uvloop.new_event_loop, body())


@LOOPS
def test_certificates_can_be_renewed(new_loop: NewLoop, tmp_path: Path) -> None:
    async def body() -> None:
        (port,) = ports(1)
        here = {name: tmp_path / name for name in ("crt", "key")}

        def install(name: str) -> None:
            here["crt"].write_bytes(Path(certificate(name)).read_bytes())
            here["key"].write_bytes(Path(key(name)).read_bytes())

        install("server")
        files = {"tls_cert_file": str(here["crt"]), "tls_key_file": str(here["key"])}
        async with Server(port=0, tls_port=port, **files) as server:
            old = await serial_number(port)
            install("renewed")
            assert await serial_number(port) == old, "it is read when it is set"
            await server.set(tls_cert_file=files["tls_cert_file"])
            new = await serial_number(port)
            assert new != old
            for pairs in (
                {"tls_cert_file": "/nosuch"},
                {"tls_key_file": key("server")},
                {"tls_auth_clients": "yes", "tls_ca_cert_file": "/nosuch"},
            ):
                with pytest.raises(ReplyError) as caught:
                    await server.set(**pairs)
                name = next(iter(pairs)).replace("_", "-")
                reason = "Unable to update TLS configuration. Check server logs."
                assert caught.value.text == FAILED.format(name, reason)
                assert await serial_number(port) == new
            here["crt"].write_text("gone")
            await server.set(tls_handshake_timeout="5s")
            assert await serial_number(port) == new, "that is about no file"
            await server.set(tls_cert_file=certificate("server"), tls_key_file=key("server"))
            assert await serial_number(port) == old

    run(new_loop, body())


def test_while_tls_is_off_files_are_not_looked_at() -> None:
    async def body() -> None:
        (port,) = ports(1)
        async with Server(port=port, tls_cert_file="/nosuch") as server:
            await server.set(tls_key_file="/nosuch")
            with pytest.raises(ReplyError, match=r"'tls-port'.*Unable to update TLS"):
                await server.set(tls_port=free_port())

    run(uvloop.new_event_loop, body())


def test_nowhere_to_listen() -> None:
    with pytest.raises(ConfigError, match="none is set"):
        Server(port=0).listeners.bind()
    with pytest.raises(OSError, match="none of the addresses"):
        Server(port=free_port(), bind=("-192.0.2.250",)).listeners.bind()


def test_certificates_are_looked_at_before_addresses_are_taken() -> None:
    server = Server(port=free_port(), tls_port=free_port(), tls_cert_file="/nosuch")
    with pytest.raises(ConfigError, match="tls-cert-file: cannot read /nosuch"):
        server.listeners.bind()


def test_an_address_in_use_is_named_and_the_others_are_given_back() -> None:
    port, taken = ports(2)
    with socket.create_server(("127.0.0.1", taken)):
        server = Server(port=port, tls_port=taken)
        with pytest.raises(OSError, match=f"127.0.0.1:{taken} .TLS.: Address already in use"):
            server.listeners.bind()
    with socket.create_server(("127.0.0.1", port)):
        pass


@LOOPS
def test_of_two_that_start_at_the_same_time_one_is_told_why(new_loop: NewLoop) -> None:
    async def body() -> None:
        (port,) = ports(1)
        slow = Server(port=port)
        slow.listeners.bind()
        async with Server(port=port):
            with pytest.raises(OSError, match=f"127.0.0.1:{port}: Address already in use"):
                await slow.listeners.start()
            slow.listeners.close()
            assert await greeting(port) == b"hello"

    run(new_loop, body())


def test_a_missing_address_is_fine_only_if_that_was_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    server = Server(port=port, bind=("127.0.0.1", "-192.0.2.250"))
    with caplog.at_level(logging.INFO):
        server.listeners.bind()
    assert f"not listening on 192.0.2.250:{port}: " in caplog.text
    assert server.lines() == {"listener0": f"name=tcp,bind=127.0.0.1,port={port}"}
    server.listeners.close()
    with pytest.raises(OSError, match=re.escape(f"192.0.2.250:{port}: ")):
        Server(port=port, bind=("127.0.0.1", "192.0.2.250")).listeners.bind()


def bind_path(path: Path) -> Listeners:
    found = Server(port=0, unixsocket=str(path), unixsocketperm=0o600).listeners
    found.bind()
    return found


def test_the_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    bind_path(path).close()
    assert not path.exists()


def test_the_socket_of_a_living_server_is_not(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(OSError, match=f"{path}: another server listens there"):
            bind_path(path)
    assert path.exists()


def test_one_whose_queue_is_full_lives(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as living, contextlib.ExitStack() as stack:
        living.bind(str(path))
        living.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(path))
        with pytest.raises(OSError, match="another server listens there"):
            bind_path(path)


def test_a_file_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("mine")
    with pytest.raises(OSError, match=f"{path}: there is a file that is no socket"):
        bind_path(path)
    assert path.read_text() == "mine"
    path.unlink()
    # Not even one that took the place of the socket meanwhile.
    bound = bind_path(path)
    path.unlink()
    path.write_text("mine")
    bound.close()
    assert path.read_text() == "mine"


def test_a_path_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"/nosuch/socket: No such file or directory"):
        bind_path(tmp_path / "nosuch" / "socket")
    with pytest.raises(OSError, match="AF_UNIX path too long"):
        bind_path(tmp_path / ("x" * 200))


def test_a_stop_ends_handshakes() -> None:
    async def body() -> None:
        (port,) = ports(1)
        async with Server(port=0, tls_port=port) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: len(server.listeners.handshakes) == 1)
            server.listeners.close()
            assert await reader.read() == b""
            writer.close()
            assert len(server.listeners.handshakes) == 0

    run(uvloop.new_event_loop, body())


def test_a_client_without_trust_gets_no_greeting() -> None:
    async def body() -> None:
        (port,) = ports(1)
        async with Server(port=0, tls_port=port) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await greeting(port, ssl=ssl.create_default_context())
            await until(lambda: server.listeners.handshakes.failed_count == 1)

    run(uvloop.new_event_loop, body())
