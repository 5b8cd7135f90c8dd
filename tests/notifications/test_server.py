"""Keyspace notifications of a running server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.conftest import QUICK_START
from tests.support.client import Client
from tests.support.servers import ServerProcess, kiwi


@pytest.fixture(scope="module")
def notifying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {**QUICK_START, "notify-keyspace-events": "EA"}
    with kiwi(tmp_path_factory.mktemp("notifying") / "data", settings) as running:
        yield running


@pytest.fixture
def client(notifying: ServerProcess) -> Iterator[Client]:
    with notifying.client() as connection:
        connection.command("FLUSHALL")
        yield connection
        connection.command("CONFIG", "SET", "notify-keyspace-events", "EA")


@pytest.fixture
def subscriber(notifying: ServerProcess, client: Client) -> Iterator[Client]:
    with notifying.client() as connection:
        connection.command("PSUBSCRIBE", "__key*__:*")
        yield connection


def told(subscriber: Client) -> str:
    """The next message, as "channel message"."""
    kind, pattern, channel, message = subscriber.reply()
    assert (kind, pattern) == (b"pmessage", b"__key*__:*")
    return f"{channel.decode()} {message.decode()}"


def test_in_the_order_of_the_changes(client: Client, subscriber: Client) -> None:
    """As the server was started; then with both kinds of channels."""
    commands = [["RPUSH", "l", "x"], ["LPOP", "l"]]
    client.pipeline(commands)
    assert [told(subscriber) for _ in range(3)] == [
        "__keyevent@0__:rpush l",
        "__keyevent@0__:lpop l",
        "__keyevent@0__:del l",
    ]
    client.command("CONFIG", "SET", "notify-keyspace-events", "KEA")
    client.pipeline(commands)
    assert [told(subscriber) for _ in range(6)] == [
        "__keyspace@0__:l rpush",
        "__keyevent@0__:rpush l",
        "__keyspace@0__:l lpop",
        "__keyevent@0__:lpop l",
        "__keyspace@0__:l del",
        "__keyevent@0__:del l",
    ]


def test_expired_keys_and_fields_without_a_look_at_them(client: Client, subscriber: Client) -> None:
    client.command("CONFIG", "SET", "notify-keyspace-events", "Ex")
    client.command("PSETEX", "k", "1", "v")
    assert told(subscriber) == "__keyevent@0__:expired k"
    client.command("CONFIG", "SET", "notify-keyspace-events", "Egh")
    client.pipeline([["HSET", "h", "f", "v"], ["HPEXPIRE", "h", "1", "FIELDS", "1", "f"]])
    assert [told(subscriber) for _ in range(4)] == [
        "__keyevent@0__:hset h",
        "__keyevent@0__:hexpire h",
        "__keyevent@0__:hexpired h",
        "__keyevent@0__:del h",
    ]


def test_changes_inside_of_a_transaction(client: Client, subscriber: Client) -> None:
    client.command("SELECT", "3")
    client.pipeline([["MULTI"], ["SET", "k", "1"], ["INCR", "k"], ["GET", "k"], ["EXEC"]])
    assert told(subscriber) == "__keyevent@3__:set k"
    assert told(subscriber) == "__keyevent@3__:incrby k"


def test_nothing_is_told_when_it_is_switched_off(client: Client, subscriber: Client) -> None:
    client.command("CONFIG", "SET", "notify-keyspace-events", "")
    client.command("SET", "k", "v")
    client.command("PUBLISH", "__keyend__:", "of it")
    assert told(subscriber) == "__keyend__: of it"


def test_a_storage_runtime_that_is_started_again_goes_on(
    client: Client, subscriber: Client
) -> None:
    client.command("CONFIG", "SET", "notify-keyspace-events", "E$")
    os.kill(int(client.info()["storage_process_id"]), signal.SIGKILL)
    # A read waits for the new one; a write might not be known to have been made.
    assert client.command("GET", "k") is None
    client.command("SET", "k", "v")
    assert told(subscriber) == "__keyevent@0__:set k"
