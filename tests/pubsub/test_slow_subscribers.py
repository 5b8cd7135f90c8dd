"""Subscribers that do not read, on a running server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from kiwi_engine import clock
from tests.conftest import QUICK_START
from tests.support.client import Client, encode
from tests.support.servers import ServerProcess, kiwi, wait_until

MB = 1024**2
MESSAGE = b"x" * 64 * 1024
# More than the kernel holds for a client that does not read.
MESSAGES_MAX = 500


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {**QUICK_START, "client-output-buffer-limit": "pubsub 2mb 256kb 1"}
    with kiwi(tmp_path_factory.mktemp("limited") / "data", settings) as running:
        yield running


@contextlib.contextmanager
def subscriber(server: ServerProcess, channel: str) -> Iterator[Client]:
    """Reads nothing beyond its confirmation unless told to."""
    with server.client() as client:
        assert client.command("SUBSCRIBE", channel) == [b"subscribe", channel.encode(), 1]
        yield client


def disconnections(client: Client) -> int:
    return int(client.info()["client_output_buffer_limit_disconnections"])


def waiting_bytes(client: Client) -> int:
    """Output that waits for the only subscriber; -1 if there is none."""
    lines = client.command("CLIENT", "LIST", "TYPE", "pubsub").decode().split()
    return max((int(word[5:]) for word in lines if word.startswith("omem=")), default=-1)


def test_the_hard_limit(limited: ServerProcess) -> None:
    with subscriber(limited, "hard"), limited.client() as publisher:
        before = disconnections(publisher)
        receivers = [publisher.command("PUBLISH", "hard", MESSAGE) for _ in range(MESSAGES_MAX)]
        assert receivers[0] == 1
        assert receivers[-1] == 0
        assert disconnections(publisher) == before + 1
        assert publisher.command("PUBSUB", "NUMSUB", "hard") == [b"hard", 0]
        wait_until(lambda: "its output limit ends it" in limited.output(), "the line of the log")


def test_the_soft_limit(limited: ServerProcess) -> None:
    with subscriber(limited, "soft"), limited.client() as publisher:
        before = disconnections(publisher)
        for _ in range(MESSAGES_MAX):
            publisher.command("PUBLISH", "soft", MESSAGE)
            if waiting_bytes(publisher) > 256 * 1024:
                break
        assert 256 * 1024 < waiting_bytes(publisher) < 2 * MB
        started_ns = clock.monotonic_ns()
        wait_until(lambda: waiting_bytes(publisher) < 0, "the end of the subscriber", 10)
        assert clock.monotonic_ns() - started_ns > 900_000_000
        assert disconnections(publisher) == before + 1


def test_who_reads_gets_everything(limited: ServerProcess) -> None:
    """Ten times its limit in all, as fast as it is read."""
    with subscriber(limited, "fast") as reader, limited.client() as publisher:
        before = disconnections(publisher)
        for number in range(400):
            content = b"%d " % number + MESSAGE
            assert publisher.command("PUBLISH", "fast", content) == 1
            assert reader.reply() == [b"message", b"fast", content]
        assert disconnections(publisher) == before


def test_a_client_that_is_no_subscriber_has_no_limit_here(limited: ServerProcess) -> None:
    """Its own requests wait with it instead: what it asked for arrives when it reads."""
    with limited.client() as client, limited.client() as other:
        before = disconnections(other)
        client.command("SET", "large", b"x" * MB)
        client.send(encode("GET", "large") * 16)
        wait_until(lambda: int(other.info()["client_recent_max_output_buffer"]) > 0, "the wait")
        assert [len(client.reply()) for _ in range(16)] == [MB] * 16
        assert disconnections(other) == before


def test_a_subscriber_may_be_silent_for_longer_than_others(limited: ServerProcess) -> None:
    with limited.client() as idle, limited.client() as subscriber, limited.client() as other:
        assert idle.command("PING") == b"PONG"
        subscriber.command("SUBSCRIBE", "rare")
        other.command("CONFIG", "SET", "timeout", "1")
        # It polls, so that `other` is not idle itself.
        wait_until(lambda: other.info()["connected_clients"] == "2", "the end of who is idle")
        other.command("CONFIG", "SET", "timeout", "0")
        assert idle.read_until_closed() == b""
        assert other.command("PUBLISH", "rare", "hi") == 1


def test_limits_can_be_changed_while_it_waits(limited: ServerProcess) -> None:
    with limited.client() as client, limited.client() as other:
        before = disconnections(other)
        client.command("SET", "large", b"x" * MB)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(encode("GET", "large") * 16)
        wait_until(lambda: int(other.info()["client_recent_max_output_buffer"]) > 0, "the wait")
        other.command("CONFIG", "SET", "client-output-buffer-limit", "normal 10kb 0 0")
        wait_until(lambda: disconnections(other) == before + 1, "the end of the reader")
        other.command("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
