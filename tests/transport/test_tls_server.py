"""TLS on real servers, with redis-py and byte by byte."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from kiwi_engine import clock
from tests.support.client import Client, encode
from tests.support.servers import wait_until
from tests.transport.clients import Served, SocketClient, every_listener
from tests.transport.files import AUTHORITY, certificate, client_context, key

# For URLs.
CLIENT_FILES = {
    "ssl_ca_certs": AUTHORITY,
    "ssl_certfile": certificate("client"),
    "ssl_keyfile": key("client"),
}


def fact(client: Client, name: str) -> int:
    return int(client.info()[name])


def wait_until_alone(client: Client) -> None:
    """Until the server has noticed that the clients of earlier tests are gone."""
    wait_until(lambda: fact(client, "connected_clients") == 1, "the others to leave")


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def connection(request: pytest.FixtureRequest, served: Served) -> Iterator[redis.Redis]:
    with redis.Redis(
        port=served.tls_port,
        protocol=request.param,
        ssl=True,
        ssl_ca_certs=AUTHORITY,
        ssl_certfile=certificate("client"),
        ssl_keyfile=key("client"),
    ) as found:
        yield found


def test_redis_py(connection: redis.Redis) -> None:
    assert connection.set("a", "1") is True
    assert connection.get("a") == b"1"
    pipeline = connection.pipeline(transaction=False)
    for number in range(10_000):
        pipeline.set(f"k{number}", "v" * 100)
    assert pipeline.execute() == [True] * 10_000
    with connection.pipeline(transaction=True) as transaction:
        transaction.incr("n")
        transaction.incr("n")
        assert transaction.execute() == [1, 2]
    assert connection.blpop(["nosuch"], timeout=0.05) is None


def test_large_values(connection: redis.Redis) -> None:
    value = os.urandom(1 << 20) * 10
    assert connection.set("large", value) is True
    assert connection.get("large") == value
    assert connection.mget("large", "large", "nosuch") == [value, value, None]


def test_publish_and_subscribe(connection: redis.Redis) -> None:
    with connection.pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe("news")
        first = listener.get_message(timeout=10)
        assert first is not None
        assert first["type"] == "subscribe"
        assert connection.publish("news", b"x" * 100_000) == 1
        message = listener.get_message(timeout=10)
        assert message is not None
        assert message["data"] == b"x" * 100_000


def test_an_address_with_two_s(served: Served) -> None:
    url = f"rediss://127.0.0.1:{served.tls_port}/3"
    with redis.from_url(url, **CLIENT_FILES) as found:
        assert found.set("a", "1") is True
    with served.plain() as client:
        assert client.pipeline([("SELECT", 3), ("GET", "a")]) == [b"OK", b"1"]

    async def use() -> list[int]:
        async with redis.asyncio.from_url(url, **CLIENT_FILES) as found:
            answers = [await found.incr("n") for _ in range(50)]
        # asyncio ends TLS in the background.
        await asyncio.sleep(0.1)
        return answers

    assert asyncio.run(use()) == list(range(1, 51))


def test_the_server_proves_who_it_is(served: Served) -> None:
    for context, reason in (
        (ssl.create_default_context(), "self-signed certificate in certificate chain"),
        (client_context(), "Hostname mismatch"),
    ):
        plain = socket.create_connection(("127.0.0.1", served.tls_port), timeout=30)
        with plain, pytest.raises(ssl.SSLCertVerificationError, match=reason):
            context.wrap_socket(plain, server_hostname="elsewhere.example")


def test_who_may_come_without_a_certificate(served: Served) -> None:
    nameless, stranger = client_context(None), client_context("stranger")
    with served.plain() as control:
        try:
            for word, lets_nameless_in, lets_strangers_in in (
                ("no", True, True),
                ("optional", True, False),
                ("yes", False, False),
            ):
                assert control.command("CONFIG", "SET", "tls-auth-clients", word) == b"OK"
                assert is_served(served, nameless) is lets_nameless_in
                assert is_served(served, stranger) is lets_strangers_in
                assert is_served(served, client_context())
        finally:
            control.command("CONFIG", "SET", "tls-auth-clients", "yes")


def is_served(served: Served, context: ssl.SSLContext) -> bool:
    try:
        with served.secure(context) as client:
            return bool(client.command("PING") == b"PONG")
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize("data", [encode("PING"), b"GET / HTTP/1.1\r\n\r\n", bytes(50)])
def test_plain_text_on_the_tls_port(served: Served, data: bytes) -> None:
    with served.plain() as control:
        wait_until_alone(control)
        before = fact(control, "tls_handshakes_failed")
        with Client(served.tls_port) as client:
            client.send(data)
            said = client.read_until_closed()
            assert said == b"-ERR Protocol error: plain text on a port with TLS\r\n"
        assert fact(control, "tls_handshakes_failed") == before + 1
        assert fact(control, "tls_handshakes_in_progress") == 0
        assert fact(control, "connected_clients") == 1


def test_tls_on_the_plain_port(served: Served) -> None:
    plain = socket.create_connection(("127.0.0.1", served.server.port), timeout=30)
    with plain, pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        client_context().wrap_socket(plain, server_hostname="127.0.0.1")
    with served.plain() as client:
        client.send(b"\x16\x03\x01\x02\x00\x01")
        said = client.read_until_closed()
        assert said == b"-ERR Protocol error: TLS on a port without TLS\r\n"


def test_a_client_that_never_finishes_its_handshake(served: Served) -> None:
    with served.plain() as control:
        assert control.command("CONFIG", "SET", "tls-handshake-timeout", "100ms") == b"OK"
        try:
            before = fact(control, "tls_handshakes_timed_out")
            with Client(served.tls_port) as silent:
                assert silent.read_until_closed() == b""
            assert fact(control, "tls_handshakes_timed_out") == before + 1
            assert fact(control, "tls_handshakes_in_progress") == 0
        finally:
            control.command("CONFIG", "SET", "tls-handshake-timeout", "10s")


def test_handshakes_take_the_places_of_clients(served: Served) -> None:
    with served.plain() as control:
        wait_until_alone(control)
        before = fact(control, "rejected_connections")
        assert control.command("CONFIG", "SET", "maxclients", "3") == b"OK"
        try:
            with Client(served.tls_port), Client(served.tls_port):
                wait_until(lambda: fact(control, "tls_handshakes_in_progress") == 2, "both")
                with served.plain() as refused:
                    said = refused.read_until_closed()
                    assert said == b"-ERR max number of clients reached\r\n"
                with Client(served.tls_port) as refused, pytest.raises(ConnectionError):
                    refused.reply()
                assert fact(control, "rejected_connections") == before + 2
            wait_until(lambda: fact(control, "tls_handshakes_in_progress") == 0, "both to leave")
            with served.secure() as client:
                assert client.command("PING") == b"PONG"
        finally:
            control.command("CONFIG", "SET", "maxclients", "10000")


def test_the_output_limit_counts_what_waits_behind_tls(served: Served) -> None:
    name = "client-output-buffer-limit"
    with served.plain() as control, served.secure() as reader:
        usual = control.command("CONFIG", "GET", name)[1]
        assert control.command("CONFIG", "SET", name, "pubsub 1mb 0 0") == b"OK"
        try:
            reader.command("SUBSCRIBE", "news")
            lost = fact(control, "client_output_buffer_limit_disconnections")
            for _ in range(200):
                if control.command("PUBLISH", "news", b"x" * 100_000) == 0:
                    break
            assert fact(control, "client_output_buffer_limit_disconnections") == lost + 1
            assert control.command("CLIENT", "LIST", "TYPE", "pubsub") == b""
        finally:
            control.command("CONFIG", "SET", name, usual)


def test_a_client_that_reads_late_gets_everything(served: Served) -> None:
    """Its replies do not fit into any buffer on the way, so the server has to wait for it."""
    count, value = 400, b"x" * 100_000
    with served.secure() as client:
        assert client.command("SET", "a", value) == b"OK"
        sender = threading.Thread(target=client.send, args=(encode("GET", "a") * count,))
        sender.start()
        with served.plain() as control:
            assert control.command("PING") == b"PONG"
        assert all(client.reply() == value for _ in range(count))
        sender.join()


def test_replies_reach_a_client_that_said_good_bye(served: Served) -> None:
    with served.secure_socket() as handle:
        handle.sendall(encode("SET", "a", "1") + encode("GET", "a") + encode("QUIT"))
        client = SocketClient(handle)
        assert [client.reply() for _ in range(3)] == [b"OK", b"1", b"OK"]
        assert handle.recv(100) == b"", "and hears one, too"


def test_a_slow_client_can_be_killed(served: Served) -> None:
    with served.plain() as control, served.secure() as victim:
        victim.command("CLIENT", "SETNAME", "victim")
        lines = control.command("CLIENT", "LIST").decode().splitlines()
        (line,) = [line for line in lines if " name=victim " in line]
        address = dict(field.split("=", 1) for field in line.split())["addr"]
        assert control.command("CLIENT", "KILL", "ADDR", address) == 1
        with pytest.raises((ConnectionError, ssl.SSLError)):
            victim.reply()


def test_the_storage_process_dies_under_tls(served: Served) -> None:
    with served.secure() as client:
        assert client.command("SET", "a", "1") == b"OK"
        os.kill(fact(client, "storage_process_id"), signal.SIGKILL)
        assert client.command("GET", "a") == b"1"


def test_a_killed_server_starts_again_and_stops_in_order(tmp_path: Path) -> None:
    served = every_listener(tmp_path, port=0)
    start_without_plain_port(served, 1)
    served.server.kill()
    assert os.path.exists(served.socket_path)
    start_without_plain_port(served, 2)
    with served.server, served.secure() as idle, served.secure() as busy, served.unix() as local:
        assert idle.info()["tcp_port"] == str(served.tls_port)
        assert local.command("PING") == b"PONG"
        busy.send(encode("SET", "a", "1") * 1000)
        assert busy.reply() == b"OK"
        started_ns = clock.monotonic_ns()
        served.server.signal(signal.SIGTERM)
        assert idle.socket.recv(100) == b"", "a good-bye"
        answered = busy.read_until_closed()
        assert answered == b"+OK\r\n" * (len(answered) // 5)
        assert served.server.wait() == 0
        # Who waits for an answer to the good-bye waits for ten seconds, whatever the machine.
        assert clock.monotonic_ns() - started_ns < 9_500_000_000
    assert not os.path.exists(served.socket_path)


def start_without_plain_port(served: Served, life: int) -> None:
    served.server.start(wait=False)
    wait_until(lambda: count_starts(served) == life, "the start")


def count_starts(served: Served) -> int:
    return served.server.output().count(f"ready to accept connections on {served.socket_path}")
