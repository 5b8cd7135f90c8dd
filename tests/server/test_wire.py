"""Hostile, partial and unusual input on real sockets."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.support.client import Client, ErrorReply, encode
from tests.support.processes import resident_bytes
from tests.support.servers import ServerProcess, find_redis_server, redis_server


def exchange(port: int, data: bytes) -> bytes:
    """Send `data`, half-close, and return everything the server answers."""
    with Client(port) as connection:
        connection.send(data)
        connection.socket.shutdown(socket.SHUT_WR)
        return connection.read_until_closed()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server whose words are the measure."""
    if not find_redis_server():
        pytest.skip("redis-server is not installed")
    with redis_server(tmp_path_factory.mktemp("redis") / "data") as running:
        yield running


HOSTILE = [
    b"*-5\r\nPING\r\n",
    b"*0\r\n*1\r\n$4\r\nPING\r\n",
    b"*abc\r\n",
    b"*2147483648\r\n",
    b"*99999999999999999999\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-5\r\n",
    b"*1\r\n$99999999999\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$4x\r\nPING\r\n",
    b"*1\r\n:4\r\n",
    b"*2\r\n$4\r\nECHO\r\n+hi\r\n",
    b'SET "unbalanced\r\n',
    b"SET 'a'b c\r\n",
    b"x" * 70_000,
    b"*" + b"1" * 70_000,
    b"*1\r\n$" + b"1" * 70_000,
    b"\r\n\r\n  \r\nPING\r\n",
    b"PING\nPING\n",
    b'ECHO "a\\x41\\n\\"b"\r\n',
    b"ECHO 'it\\'s'\r\n",
    b"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$-9\r\n*1\r\n$4\r\nPING\r\n",
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data[:24]))
def test_bytes_are_answered_as_redis_answers_them(
    data: bytes, server: ServerProcess, redis: ServerProcess
) -> None:
    assert exchange(server.port, data) == exchange(redis.port, data)
    with server.client() as client:
        assert client.command("PING") == b"PONG"


def test_a_claimed_length_reserves_no_memory(server: ServerProcess) -> None:
    before = resident_bytes(server.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(server.client())
            client.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$500000000\r\nx")
        assert stack.enter_context(server.client()).command("PING") == b"PONG"
        assert resident_bytes(server.pid) - before < 100 * 1024 * 1024


def test_a_command_may_arrive_byte_by_byte(client: Client) -> None:
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in encode("SET", "slow", "value") + encode("GET", "slow"):
        client.send(bytes([byte]))
    assert [client.reply(), client.reply()] == [b"OK", b"value"]


def test_a_half_sent_command_is_not_executed(server: ServerProcess, client: Client) -> None:
    command = encode("SET", "half", "x" * 100_000)
    with server.client() as other:
        other.send(encode("SET", "whole", "1") + command[:-5])
        assert other.reply() == b"OK"
    assert client.command("EXISTS", "half", "whole") == 1


def test_a_half_closed_connection_gets_all_replies(server: ServerProcess, client: Client) -> None:
    commands = b"".join(encode("INCR", "n") + encode("PING") for _ in range(1000))
    expected = b"".join(b":%d\r\n+PONG\r\n" % n for n in range(1, 1001))
    assert exchange(server.port, commands) == expected
    assert client.command("GET", "n") == b"1000"


def test_local_and_stored_answers_keep_their_order(client: Client) -> None:
    commands, expected = [], []
    for number in range(300):
        commands += [("SET", "k", number), ("ECHO", number), ("GET", "k"), ("SELECT", "0")]
        word = str(number).encode()
        expected += [b"OK", word, word, b"OK"]
    assert client.pipeline(commands) == expected


def test_databases_change_inside_a_pipeline(client: Client) -> None:
    first = [("SET", "k", "0"), ("SELECT", "1"), ("SET", "k", "1"), ("GET", "k")]
    replies = client.pipeline([*first, ("SELECT", "0"), ("GET", "k")])
    assert replies == [b"OK", b"OK", b"OK", b"1", b"OK", b"0"]


def test_a_pipeline_of_ten_thousand_commands(client: Client) -> None:
    assert client.pipeline([("SET", f"k{n}", n) for n in range(10_000)]) == [b"OK"] * 10_000
    expected = [str(n).encode() for n in range(10_000)]
    assert client.pipeline([("GET", f"k{n}") for n in range(10_000)]) == expected
    assert client.command("DBSIZE") == 10_000


@pytest.mark.parametrize("size", [1_000_000, 20_000_000])
def test_large_values_come_back_whole(client: Client, size: int) -> None:
    value = bytes(range(256)) * (size // 256)
    assert client.command("SET", "large", value) == b"OK"
    assert client.command("GET", "large") == value
    assert client.command("STRLEN", "large") == len(value)


def test_a_slow_reader_costs_bounded_memory_and_delays_nobody(
    server: ServerProcess, client: Client
) -> None:
    """Who does not take replies is not read from: what it asks for stays with the kernel."""
    value = b"v" * 1_000_000
    assert client.command("SET", "large", value) == b"OK"
    before = resident_bytes(server.pid)
    with server.client() as slow:
        for number in range(300):
            slow.send(encode("GET", "large"))
            assert client.command("SET", "other", number) == b"OK"
        assert resident_bytes(server.pid) - before < 100 * 1024 * 1024
        assert all(slow.reply() == value for _ in range(300))


def test_commands_after_quit_are_not_executed(server: ServerProcess, client: Client) -> None:
    data = encode("SET", "a", "1") + encode("QUIT") + encode("SET", "a", "2")
    assert exchange(server.port, data) == b"+OK\r\n+OK\r\n"
    assert client.command("GET", "a") == b"1"


def test_an_unknown_command_leaves_the_connection_usable(client: Client) -> None:
    reply, pong = client.pipeline([("NOSUCH", "x"), ("PING",)])
    assert isinstance(reply, ErrorReply)
    assert str(reply) == "ERR unknown command 'NOSUCH', with args beginning with: 'x' "
    assert pong == b"PONG"
