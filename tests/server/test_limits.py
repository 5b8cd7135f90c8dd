"""Bounds that protect the server, and what a client is told at each."""

from __future__ import annotations

import contextlib

from kiwi_engine import clock
from tests.conftest import StartKiwi
from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import wait_until


def test_one_client_too_many_is_told_so(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(maxclients=3)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(3)]
        assert [client.command("PING") for client in clients] == [b"PONG"] * 3
        with server.client() as refused:
            assert refused.read_until_closed() == b"-ERR max number of clients reached\r\n"
        clients[0].close()
        wait_until(lambda: clients[1].info("clients")["connected_clients"] == "2", "a free place")
        assert stack.enter_context(server.client()).command("PING") == b"PONG"


def test_a_password_is_asked_for(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(requirepass="secret")
    with server.client() as client:
        refusal = client.command("SET", "a", "1")
        assert isinstance(refusal, ErrorReply)
        assert str(refusal) == "NOAUTH Authentication required."
        assert str(client.command("AUTH", "wrong")).startswith("WRONGPASS ")
        assert str(client.command("GET", "a")) == "NOAUTH Authentication required."
        assert client.command("AUTH", "secret") == b"OK"
        assert client.command("GET", "a") is None
    with server.client() as client:
        hello = client.command("HELLO", "3", "AUTH", "default", "secret")
        assert b"proto" in hello or "proto" in hello
        assert client.command("SET", "a", "1") == b"OK"


def test_an_unauthenticated_client_cannot_claim_much(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(requirepass="secret")
    for data, answer in (
        (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*2\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
    ):
        with server.client() as client:
            client.send(data)
            assert client.read_until_closed() == answer


def test_a_client_that_has_logged_in_may_send_more(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(requirepass="secret")
    for login in (("AUTH", "secret"), ("HELLO", 3, "AUTH", "default", "secret")):
        with server.client() as client:
            client.command(*login)
            assert client.command("MSET", *range(20)) == b"OK"
            assert client.command("ECHO", b"x" * 20_000) == b"x" * 20_000


def test_an_idle_connection_is_closed(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(timeout=1)
    started_ns = clock.monotonic_ns()
    with server.client() as idle, server.client() as busy:
        wait_until(
            lambda: busy.command("PING") == b"PONG" and is_closed(idle), "the idle close", 10
        )
        assert clock.monotonic_ns() - started_ns > 900_000_000
        assert busy.command("PING") == b"PONG"


def is_closed(client: Client) -> bool:
    """Whether the peer closed a connection on which nothing is expected."""
    client.socket.settimeout(0.02)
    try:
        return client.socket.recv(1) == b""
    except TimeoutError:
        return False


def test_a_too_long_string_is_refused(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(proto_max_bulk_len="1mb")
    with server.client() as client:
        assert client.command("SET", "a", b"x" * 1024 * 1024) == b"OK"
        refusal = client.command("APPEND", "a", "x")
        assert str(refusal).startswith("ERR string exceeds maximum allowed size")
        client.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n")
        assert client.read_until_closed() == b"-ERR Protocol error: invalid bulk length\r\n"
    with server.client() as client:
        assert client.command("STRLEN", "a") == 1024 * 1024


def test_tiny_bounds_slow_down_but_lose_nothing(start_kiwi: StartKiwi) -> None:
    """Every queue at its smallest: backpressure reaches the client, nothing else happens."""
    server = start_kiwi(
        channel_buffer_size=3,
        channel_buffer_bytes=200,
        write_batch_max_count=2,
        write_batch_max_bytes=64,
        wal_segment_size=4096,
        value_threshold=16,
        drain_max_entries=10,
        drain_interval=5,
    )
    with server.client() as client:
        values = [str(number).encode() * (number % 40 + 1) for number in range(2000)]
        client.send(b"".join(encode("SET", f"k{n}", value) for n, value in enumerate(values)))
        assert [client.reply() for _ in values] == [b"OK"] * len(values)
        assert client.pipeline([("GET", f"k{n}") for n in range(len(values))]) == values
        assert client.command("DBSIZE") == len(values)
