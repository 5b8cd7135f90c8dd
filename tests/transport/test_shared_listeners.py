"""The listeners of several network processes, all of them in this one."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ReplyError
from kiwi_engine.server.network.transport.listeners import Listeners
from tests.support.ports import free_port
from tests.transport.files import server_files

COUNT = 3
# Far more than it takes until each of three was given one at random.
CONNECTIONS_MAX = 500


class Greeter(asyncio.Protocol):
    """Tells each client the number of the process, and closes."""

    def __init__(self, number: int) -> None:
        self._number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        transport.write(b"%d" % self._number)  # type: ignore[attr-defined]
        transport.close()


class Processes:
    """The listeners of a primary and its workers, each with its own settings."""

    def __init__(self, **settings: Any) -> None:
        wanted = msgspec.structs.replace(Settings(), network_threads=COUNT, **settings)
        self.configs = [LiveConfig(wanted) for _ in range(COUNT)]
        self.all = [self._listeners(number) for number in range(COUNT)]

    def _listeners(self, number: int) -> Listeners:
        return Listeners(
            self.configs[number],
            lambda: Greeter(number),
            lambda: True,
            Numbering(number, COUNT),
        )

    async def __aenter__(self) -> Processes:
        for listeners in self.all:
            listeners.bind()
            await listeners.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        for listeners in self.all:
            listeners.close()
        # What was accepted is closed by the loop.
        await asyncio.sleep(0.01)

    async def set(self, name: str, value: str) -> None:
        """As CONFIG SET does: the primary first."""
        for config in self.configs:
            config.set([(name, value)])
        await asyncio.sleep(0)


async def who_answers(port: int, host: str = "127.0.0.1") -> set[bytes]:
    """Connect until all processes have answered."""
    found: set[bytes] = set()
    for _ in range(CONNECTIONS_MAX):
        reader, writer = await asyncio.open_connection(host, port)
        found.add(await reader.read())
        writer.close()
        if len(found) == COUNT:
            break
    return found


def run(body: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body)


EVERYBODY = {b"0", b"1", b"2"}


@pytest.fixture
def sharing_port() -> Iterator[int]:
    """A port of another server that would share it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        yield other.getsockname()[1]


def test_the_system_spreads_clients_over_all() -> None:
    async def body() -> None:
        port = free_port()
        async with Processes(port=port, bind=("127.0.0.1",)):
            assert await who_answers(port) == EVERYBODY

    run(body())


def test_the_unix_socket_is_the_primarys(tmp_path: Path) -> None:
    async def body() -> None:
        path = str(tmp_path / "socket")
        async with Processes(port=0, unixsocket=path) as processes:
            for _ in range(10):
                reader, writer = await asyncio.open_unix_connection(path)
                assert await reader.read() == b"0"
                writer.close()
            assert [bool(each.sections()["server"]) for each in processes.all] == [
                True,
                False,
                False,
            ]
            # It is not a worker's to remove.
            processes.all[1].close()
            assert os.listdir(tmp_path) == ["socket"]
        assert os.listdir(tmp_path) == []

    run(body())


def test_all_move_together() -> None:
    async def body() -> None:
        port, other = free_port(), free_port()
        async with Processes(port=port, bind=("127.0.0.1",)) as processes:
            await processes.set("bind", "127.0.0.1 127.0.0.2")
            assert await who_answers(port) == EVERYBODY
            assert await who_answers(port, "127.0.0.2") == EVERYBODY
            # The workers are still where the primary wants to be.
            await processes.set("bind", "*")
            assert await who_answers(port) == EVERYBODY
            await processes.set("port", str(other))
            assert await who_answers(other) == EVERYBODY
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    run(body())


def test_a_port_of_another_server_is_refused_though_it_could_be_shared(sharing_port: int) -> None:
    async def body() -> None:
        with pytest.raises(OSError, match="Address already in use"):
            Processes(port=sharing_port, bind=("127.0.0.1",)).all[0].bind()
        port = free_port()
        async with Processes(port=port, bind=("127.0.0.1",)) as processes:
            with pytest.raises(ReplyError, match="Unable to listen"):
                await processes.set("port", str(sharing_port))
            assert await who_answers(port) == EVERYBODY

    run(body())


def test_what_the_system_refuses_one_process_is_refused_several() -> None:
    async def body() -> None:
        port, secure = free_port(), free_port()
        files = {name.replace("-", "_"): path for name, path in server_files().items()}
        wanted = {"port": port, "tls_port": secure, "bind": ("127.0.0.1",), **files}
        async with Processes(**wanted) as processes:
            for name, value in (("port", str(secure)), ("tls-port", str(port))):
                with pytest.raises(ReplyError, match="Unable to listen"):
                    await processes.set(name, value)
            with pytest.raises(ReplyError, match="Failed to bind"):
                await processes.set("bind", "127.0.0.1 *")
            for config in processes.configs:
                config.set([("port", str(secure)), ("tls-port", str(port))])
            await asyncio.sleep(0)
            assert await who_answers(secure) == EVERYBODY

    run(body())


def test_a_server_that_was_quicker_is_noticed() -> None:
    """Both have taken the port while they started; the other one listens first."""

    async def body() -> None:
        port = free_port()
        processes = Processes(port=port, bind=("127.0.0.1",))
        processes.all[0].bind()
        async with Processes(port=port, bind=("127.0.0.1",)):
            with pytest.raises(OSError, match="Address already in use"):
                await processes.all[0].start()
        processes.all[0].close()

    run(body())


def test_a_worker_goes_on_without_what_it_cannot_have(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        port, other = free_port(), free_port()
        async with Processes(port=port, bind=("127.0.0.1",)) as processes:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", other))
                taken.listen()
                config = processes.configs[1]
                with caplog.at_level(logging.ERROR):
                    config.set([("port", str(other)), ("maxclients", "17")])
            assert "goes on without the new port" in caplog.text
            assert config.settings.maxclients == 17, "that much it knows"

    run(body())
