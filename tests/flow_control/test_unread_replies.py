"""Clients that ask for much and read nothing: what waits for them is bounded, others are served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from kiwi_engine import clock
from tests.conftest import QUICK_START
from tests.support.client import Client, encode
from tests.support.memory_peak import MemoryPeak
from tests.support.servers import ServerProcess, kiwi, wait_until

MB = 1024 * 1024
LARGE = b"x" * 300_000
DEAF = 3
# Each has at most four runs under way, of which one may be beyond its share by one reply; there
# are copies of it on the way.
EACH_MAX = 4 * 256 * 1024 + 4 * len(LARGE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with kiwi(tmp_path_factory.mktemp("unread") / "data", QUICK_START) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with server.client() as connection:
        assert connection.command("SET", "large", LARGE) == b"OK"
        yield connection


def send_what_is_taken(client: Client, data: bytes) -> int:
    """How many bytes of `data` the server and the kernel take within a moment."""
    client.socket.setblocking(False)
    sent, until_ns = 0, clock.monotonic_ns() + 200_000_000
    while sent < len(data) and clock.monotonic_ns() < until_ns:
        try:
            sent += client.socket.send(data[sent : sent + 65_536])
        except BlockingIOError:
            clock.sleep(0.01)
    client.socket.settimeout(30)
    return sent


@pytest.mark.parametrize("command", [("GET", "large"), ("MGET", "large", "small")])
def test_replies_that_nobody_reads_are_bounded(
    server: ServerProcess, client: Client, command: tuple[str, ...]
) -> None:
    """Without the bound these would be nine gigabytes."""
    pipeline = encode(*command) * 10_000
    info = client.info("server")
    names = ("network_process_id", "storage_process_id")
    with ExitStack() as stack:
        deaf = [stack.enter_context(server.client()) for _ in range(DEAF)]
        peak = MemoryPeak({name: int(info[name]) for name in names})
        sent = [send_what_is_taken(each, pipeline) for each in deaf]
        for _ in range(50):
            assert client.command("PING") == b"PONG"
            assert client.command("GET", "nothing") is None
        growth = peak.growth()
        assert max(growth.values()) < DEAF * EACH_MAX + 16 * MB, growth
        # Who reads at last gets everything that was asked for, and in its order.
        reader = deaf[0]
        count = min(sent[0] // len(encode(*command)), 40)
        expected = LARGE if command[0] == "GET" else [LARGE, None]
        for _ in range(count):
            assert reader.reply() == expected


def test_a_client_that_does_not_read_is_idle(server: ServerProcess, client: Client) -> None:
    """It would hold its place for ever; one that reads slowly would not."""
    with server.client() as deaf:
        deaf.command("CLIENT", "SETNAME", "deaf")
        send_what_is_taken(deaf, encode("GET", "large") * 1000)
        wait_until(lambda: b"name=deaf" in client.command("CLIENT", "LIST"), "its presence")
        assert client.command("CONFIG", "SET", "timeout", 1) == b"OK"
        wait_until(lambda: b"name=deaf" not in client.command("CLIENT", "LIST"), "its end")
        assert client.command("CONFIG", "SET", "timeout", 0) == b"OK"


def test_who_monitors_and_does_not_read_is_ended(server: ServerProcess, client: Client) -> None:
    """To Redis it is a normal client, for which there is no limit by default."""
    limit = "client-output-buffer-limit"
    assert client.command("CONFIG", "SET", limit, "pubsub 1mb 0 0") == b"OK"
    before = int(client.info("stats")["client_output_buffer_limit_disconnections"])
    with server.client() as monitor:
        assert monitor.command("MONITOR") == b"OK"

        def is_ended() -> bool:
            client.pipeline([("ECHO", b"x" * 100_000)] * 10)
            count = client.info("stats")["client_output_buffer_limit_disconnections"]
            return int(count) == before + 1

        wait_until(is_ended, "its end")
    assert client.command("CONFIG", "SET", limit, "pubsub 32mb 8mb 60") == b"OK"
