"""Messages that come from the storage runtime: keyspace notifications, and those of scripts."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.support.client import Client, ErrorReply
from tests.support.servers import ServerProcess, wait_until
from tests.support.transcripts import play

NOTIFICATIONS = """
    a: PSUBSCRIBE __keyspace@0__:n*
    b3: PSUBSCRIBE __keyevent@*__:*
    c: CONFIG SET notify-keyspace-events KEA
    c: SET n 1
    c: INCR n
    c: EXPIRE n 100
    c: DEL n nosuch
    c: LPUSH n a b
    c: LPOP n 2
    c: MULTI; SET n 1; SELECT 3; SET n 2; DEL n; EXEC
    c: SELECT 0
    c: SET other 1
    c: DEL other n
    c: CONFIG SET notify-keyspace-events Ks
    c: SADD n 1
    c: SET m 1
    c: DEL n m
    c: CONFIG SET notify-keyspace-events ""
    c: SET n 1
    c: DEL n
"""


def test_notifications_are_those_of_redis(
    server: ServerProcess, valkey_process: ServerProcess
) -> None:
    ours = play(server.port, NOTIFICATIONS)
    assert ours == play(valkey_process.port, NOTIFICATIONS)
    heard = {(each.connection, line) for each in ours for line in each.lines}
    assert {("a", "__keyspace@0__:n"), ("b3", "__keyevent@3__:set")} <= heard


def test_a_key_that_expires_is_told(client: Client, server: ServerProcess) -> None:
    """By the cycle, without anybody asking for the key."""
    with server.client() as subscriber:
        client.command("CONFIG", "SET", "notify-keyspace-events", "Ex")
        subscriber.command("SUBSCRIBE", "__keyevent@0__:expired")
        client.command("SET", "short", "v", "PX", "20")
        assert subscriber.reply() == [b"message", b"__keyevent@0__:expired", b"short"]
        client.command("CONFIG", "SET", "notify-keyspace-events", "")


def evaluate(client: Client, script: str) -> Any:
    answer = client.command("EVAL", script, "0")
    assert not isinstance(answer, ErrorReply), answer
    return answer


def test_a_script_is_told_how_many_get_its_message(client: Client, server: ServerProcess) -> None:
    with server.client() as first, server.client() as second:
        first.command("SUBSCRIBE", "news")
        second.command("PSUBSCRIBE", "n?ws")
        script = "return redis.call('PUBLISH', 'news', ARGV and 'hi')"
        assert evaluate(client, script) == 2
        assert first.reply() == [b"message", b"news", b"hi"]
        assert second.reply() == [b"pmessage", b"n?ws", b"news", b"hi"]
        second.command("PUNSUBSCRIBE")
        second.command("SSUBSCRIBE", "news")
        assert evaluate(client, script) == 1
        assert evaluate(client, "return redis.call('SPUBLISH', 'news', 'there')") == 1
        assert second.reply() == [b"smessage", b"news", b"there"]
    wait_until(lambda: evaluate(client, "return redis.call('PUBLISH', 'news', '')") == 0, "the end")


def test_subscriptions_outlive_the_storage_process(client: Client, server: ServerProcess) -> None:
    with server.client() as subscriber:
        subscriber.command("SUBSCRIBE", "news")
        before = int(client.info()["storage_process_id"])
        os.kill(before, signal.SIGKILL)
        assert client.command("PUBLISH", "news", "meanwhile") == 1
        assert subscriber.reply() == [b"message", b"news", b"meanwhile"]
        wait_until(
            lambda: client.info().get("storage_process_id") not in (None, str(before)), "storage"
        )
        assert evaluate(client, "return redis.call('PUBLISH', 'news', 'again')") == 1
        assert subscriber.reply() == [b"message", b"news", b"again"]


@pytest.mark.parametrize("word", ["pubsub", "normal"])
def test_clients_are_listed_and_killed_by_their_type(
    client: Client, server: ServerProcess, word: str
) -> None:
    with server.client() as subscriber:
        identity = subscriber.command("CLIENT", "ID")
        subscriber.command("SUBSCRIBE", "a", "b")
        subscriber.reply()
        subscriber.command("PSUBSCRIBE", "c")
        subscriber.command("SSUBSCRIBE", "d")
        lines = client.command("CLIENT", "LIST", "TYPE", word).decode().splitlines()
        found = [line for line in lines if line.startswith(f"id={identity} ")]
        if word == "normal":
            assert found == []
            return
        assert " flags=P " in found[0]
        assert " sub=2 psub=1 ssub=1 " in found[0]
        facts = client.info()
        assert facts["pubsub_clients"] == "1"
        assert facts["pubsub_channels"] == "2"
        assert facts["pubsub_patterns"] == facts["pubsubshard_channels"] == "1"
        assert client.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        assert subscriber.read_until_closed() == b""
        wait_until(lambda: client.command("PUBSUB", "NUMSUB", "a") == [b"a", 0], "the end")


def test_what_is_published_behind_a_write_is_published_by_a_client_that_has_gone(
    client: Client, server: ServerProcess
) -> None:
    with server.client() as subscriber:
        subscriber.command("SUBSCRIBE", "news")
        with server.client() as publisher:
            publisher.send(b"SET k 1\r\nPUBLISH news done\r\nSUBSCRIBE news\r\n")
        assert subscriber.reply() == [b"message", b"news", b"done"]
        assert client.command("GET", "k") == b"1"
        wait_until(lambda: client.command("PUBSUB", "NUMSUB", "news") == [b"news", 1], "its end")


@pytest.mark.parametrize("publishing", ["PUBLISH news done", "MULTI\r\nPUBLISH news done\r\nEXEC"])
def test_a_message_waits_for_the_writes_before_it(
    client: Client, server: ServerProcess, publishing: str
) -> None:
    storage = int(client.info()["storage_process_id"])
    with server.client() as subscriber:
        subscriber.command("SUBSCRIBE", "news")
        os.kill(storage, signal.SIGSTOP)
        try:
            client.send(f"SET k 1\r\n{publishing}\r\n".encode())
            subscriber.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                subscriber.reply()
        finally:
            os.kill(storage, signal.SIGCONT)
        subscriber.socket.settimeout(30)
        assert subscriber.reply() == [b"message", b"news", b"done"]
        assert client.reply() == b"OK"
