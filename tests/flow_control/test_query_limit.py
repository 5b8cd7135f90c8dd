"""Clients that send what does not end: their memory is bounded, and they are told from others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import QUICK_START
from tests.support.client import Client, encode
from tests.support.memory_peak import MemoryPeak
from tests.support.servers import ServerProcess, kiwi, wait_until

MB = 1024 * 1024
HALF_SENT = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with kiwi(tmp_path_factory.mktemp("query") / "data", QUICK_START) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    """Its limit is that of a new server in the end."""
    with server.client() as connection:
        yield connection
        connection.command("CONFIG", "SET", "client-query-buffer-limit", "1gb")


def disconnections(client: Client) -> int:
    return int(client.info("stats")["client_query_buffer_limit_disconnections"])


def test_a_command_without_end_ends_its_client(server: ServerProcess, client: Client) -> None:
    assert client.command("CONFIG", "GET", "client-query-buffer-limit") == [
        b"client-query-buffer-limit",
        b"1073741824",
    ]
    assert client.command("CONFIG", "SET", "client-query-buffer-limit", "1mb") == b"OK"
    before = disconnections(client)
    with server.client() as other:
        assert other.command("ECHO", b"x" * 900_000) == b"x" * 900_000
        begin = b"*2\r\n$4\r\nECHO\r\n$100000000\r\n"
        assert sends_until_closed(other, begin, b"x" * 65_536) < 8 * MB
    wait_until(lambda: disconnections(client) == before + 1, "the count")
    assert "its query buffer limit ends it: id=" in server.output()
    assert client.command("PING") == b"PONG"


def test_arguments_without_end_count_more_than_their_bytes(
    server: ServerProcess, client: Client
) -> None:
    """An argument of a letter takes 7 bytes on the wire, and more than that in memory."""
    assert client.command("CONFIG", "SET", "client-query-buffer-limit", "1mb") == b"OK"
    before = disconnections(client)
    with server.client() as other:
        arguments = b"$1\r\nx\r\n" * 10_000
        assert sends_until_closed(other, b"*100000000\r\n$4\r\nMSET\r\n", arguments) < 4 * MB
    wait_until(lambda: disconnections(client) == before + 1, "the count")


def test_a_transaction_without_end_ends_its_client(server: ServerProcess, client: Client) -> None:
    assert client.command("CONFIG", "SET", "client-query-buffer-limit", "1mb") == b"OK"
    before = disconnections(client)
    with server.client() as other:
        assert other.command("MULTI") == b"OK"
        queued = other.pipeline([("SET", "k", b"x" * 1000)] * 800)
        assert queued == [b"QUEUED"] * 800
        assert sends_until_closed(other, b"", encode("SET", "k", b"x" * 1000) * 100) < 8 * MB
    wait_until(lambda: disconnections(client) == before + 1, "the count")
    assert client.command("EXISTS", "k") == 0


def sends_until_closed(client: Client, begin: bytes, rest: bytes) -> int:
    """How many bytes could be sent before the server closed, some of them on the way only."""
    sent = 0
    try:
        client.send(begin)
        while sent < 1000 * MB:
            client.send(rest)
            sent += len(rest)
    except ConnectionError:
        pass
    return sent


def test_half_sent_values_take_what_was_sent_of_them(server: ServerProcess, client: Client) -> None:
    """A hundred clients announce 50 GB, and send 20 MB."""
    part = b"x" * 200_000
    info = client.info("server")
    names = ("network_process_id", "storage_process_id")
    with ExitStack() as stack:
        senders = [stack.enter_context(server.client()) for _ in range(HALF_SENT)]
        assert client.command("PING") == b"PONG"
        peak = MemoryPeak({name: int(info[name]) for name in names})
        for sender in senders:
            sender.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n" + part)
        wait_until(
            lambda: client.command("CLIENT", "LIST").count(b"qbuf=2000") == HALF_SENT, "the parts"
        )
        growth = peak.growth()
        assert growth["network_process_id"] < 2 * HALF_SENT * len(part) + 8 * MB
        assert growth["storage_process_id"] < 8 * MB
        assert client.command("SET", "other", "v") == b"OK"
        assert client.command("GET", "other") == b"v"
