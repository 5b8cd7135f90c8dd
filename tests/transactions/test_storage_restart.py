"""Transactions on a server of ours: over a death of the storage process, and all or nothing."""

from __future__ import annotations

import os
import signal

from tests.server.test_storage_restart import storage_process_id, wait_for_new_storage
from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import ServerProcess, wait_until


def kill_storage(client: Client) -> None:
    dead = storage_process_id(client)
    os.kill(dead, signal.SIGKILL)
    wait_for_new_storage(client, dead)


def test_what_is_watched_outlives_the_storage_process(
    server: ServerProcess, client: Client
) -> None:
    with server.client() as other:
        other.pipeline([("SET", "same", 1), ("SET", "changed", 1), ("SET", "later", 1)])
        watchers = {name: server.client() for name in ("same", "changed", "later", "absent")}
        for name, watcher in watchers.items():
            assert watcher.command("WATCH", name) == b"OK"
        other.command("SET", "changed", 2)
        kill_storage(other)
        other.command("SET", "later", 2)
        ended = {}
        for name, watcher in watchers.items():
            watcher.pipeline([("MULTI",), ("SET", f"by:{name}", 1)])
            ended[name] = watcher.command("EXEC")
            watcher.close()
    # Whether an absent key was absent before nobody knows any more: its transaction is made anew.
    assert ended == {"same": [b"OK"], "changed": None, "later": None, "absent": None}
    assert client.command("KEYS", "by:*") == [b"by:same"]


def test_exec_finds_what_was_watched_when_it_is_sent_while_storage_is_down(
    server: ServerProcess, client: Client
) -> None:
    with server.client() as other, server.client() as unbroken:
        client.command("WATCH", "changed")
        other.pipeline([("SET", "changed", 1), ("SET", "same", 1)])
        unbroken.command("WATCH", "same")
        os.kill(storage_process_id(other), signal.SIGKILL)
        wait_until(lambda: not storage_process_id(other), "the end of the storage process", 10)
        for watcher in (client, unbroken):
            for words in (("MULTI",), ("INCR", "made"), ("EXEC",), ("GET", "made")):
                watcher.send(encode(*words))
        assert [client.reply() for _ in range(4)] == [b"OK", b"QUEUED", None, None]
        assert [unbroken.reply() for _ in range(4)] == [b"OK", b"QUEUED", [1], b"1"]


def test_exec_of_a_client_that_has_gone_since_finds_what_was_watched(
    server: ServerProcess, client: Client
) -> None:
    leaving = server.client()
    leaving.command("WATCH", "changed")
    client.command("SET", "changed", 1)
    dead = storage_process_id(client)
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: not storage_process_id(client), "the end of the storage process", 10)
    leaving.pipeline([("MULTI",), ("INCR", "made")])
    leaving.send(encode("EXEC") + encode("INCR", "behind"))
    leaving.close()
    wait_for_new_storage(client, dead)
    wait_until(lambda: client.command("GET", "behind") == b"1", "what it sent behind EXEC", 10)
    assert client.command("GET", "made") is None


def test_a_transaction_that_is_asked_again_still_watches(
    server: ServerProcess, client: Client
) -> None:
    with server.client() as control:
        client.command("WATCH", "k")
        control.command("SET", "k", 1)
        stopped = storage_process_id(control)
        os.kill(stopped, signal.SIGSTOP)
        client.pipeline([("MULTI",), ("GET", "k")])
        client.send(encode("EXEC"))
        # It has been sent when this is answered.
        client.send(encode("MULTI") + encode("DISCARD"))
        control.command("PING")
        os.kill(stopped, signal.SIGKILL)
        assert [client.reply() for _ in range(3)] == [None, b"OK", b"OK"]


def test_a_transaction_without_an_answer_is_unknown_as_a_whole(
    server: ServerProcess, client: Client
) -> None:
    with server.client() as control:
        stopped = storage_process_id(control)
        os.kill(stopped, signal.SIGSTOP)
        commands = (("MULTI",), ("SET", "a", 1), ("SET", "b", 1), ("EXEC",), ("ECHO", "behind"))
        client.send(b"".join(encode(*words) for words in commands))
        assert [client.reply() for _ in range(3)] == [b"OK", b"QUEUED", b"QUEUED"]
        os.kill(stopped, signal.SIGKILL)
        wait_for_new_storage(control, stopped)
    unknown = client.reply()
    assert isinstance(unknown, ErrorReply)
    assert str(unknown).startswith("UNKNOWN ")
    assert client.reply() == b"behind"
    assert client.command("MGET", "a", "b") in ([None, None], [b"1", b"1"])


def test_a_transaction_that_only_reads_is_asked_again(
    server: ServerProcess, client: Client
) -> None:
    client.command("SET", "k", "v")
    with server.client() as control:
        stopped = storage_process_id(control)
        os.kill(stopped, signal.SIGSTOP)
        client.pipeline([("MULTI",), ("GET", "k"), ("STRLEN", "k")])
        client.send(encode("EXEC"))
        os.kill(stopped, signal.SIGKILL)
        assert client.reply() == [b"v", 1]
