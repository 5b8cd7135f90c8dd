"""The storage process dies; connections, and everything acknowledged, stay."""

from __future__ import annotations

import os
import signal

import pytest

from tests.conftest import StartKiwi
from tests.support.client import Client, ErrorReply, encode
from tests.support.processes import is_alive, parent
from tests.support.servers import ServerProcess, wait_until


def storage_process_id(client: Client) -> int:
    """0 while storage is down."""
    return int(client.info().get("storage_process_id") or 0)


def wait_for_new_storage(client: Client, dead: int) -> int:
    wait_until(lambda: storage_process_id(client) not in (0, dead), "a new storage process")
    return storage_process_id(client)


def test_the_two_runtimes_are_two_processes(server: ServerProcess, client: Client) -> None:
    info = client.info()
    assert int(info["process_id"]) == server.pid
    assert info["runtime_mode"] == "dual"
    assert info["storage_process_id"] != info["network_process_id"]
    assert parent(int(info["storage_process_id"])) == server.pid


def test_connections_outlive_the_storage_process(server: ServerProcess, client: Client) -> None:
    assert client.pipeline([("SET", f"k{n}", n) for n in range(1000)]) == [b"OK"] * 1000
    dead = storage_process_id(client)
    os.kill(dead, signal.SIGKILL)
    # Reads are safe to repeat, so they wait for the new process instead of failing.
    assert client.command("GET", "k7") == b"7"
    assert client.command("DBSIZE") == 1000
    assert wait_for_new_storage(client, dead) != dead
    assert client.command("SET", "after", "1") == b"OK"


def test_every_request_is_answered_once_across_a_crash(
    server: ServerProcess, client: Client
) -> None:
    with server.client() as control:
        dead = storage_process_id(control)
        count = 20_000
        client.send(b"".join(encode("INCR", "n") for _ in range(count)))
        first = client.reply()
        os.kill(dead, signal.SIGKILL)
        replies = [first, *(client.reply() for _ in range(count - 1))]
        wait_for_new_storage(control, dead)
    assert client.command("ECHO", "end") == b"end"
    numbers = [reply for reply in replies if not isinstance(reply, ErrorReply)]
    errors = [str(reply) for reply in replies if isinstance(reply, ErrorReply)]
    assert numbers == sorted(set(numbers)), "a number was given out twice or out of order"
    assert all(error.startswith("UNKNOWN ") for error in errors), set(errors)
    assert len(numbers) <= int(client.command("GET", "n")) <= count
    assert int(client.command("GET", "n")) >= max(numbers)


def test_local_commands_are_answered_while_storage_is_down(
    server: ServerProcess, client: Client
) -> None:
    stopped = storage_process_id(client)
    os.kill(stopped, signal.SIGSTOP)
    try:
        with server.client() as other:
            other.send(encode("SET", "waits", "1"))
            assert client.command("PING") == b"PONG"
            assert client.command("ECHO", "hi") == b"hi"
            other.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                other.reply()
            os.kill(stopped, signal.SIGCONT)
            other.socket.settimeout(30)
            assert other.reply() == b"OK"
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_an_unanswered_write_is_unknown_after_its_deadline(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(request_timeout=300)
    with server.client() as client:
        stopped = storage_process_id(client)
        os.kill(stopped, signal.SIGSTOP)
        try:
            reply = client.command("SET", "a", "1")
            assert isinstance(reply, ErrorReply)
            assert str(reply).startswith("UNKNOWN ")
        finally:
            os.kill(stopped, signal.SIGCONT)
        wait_until(lambda: client.command("PING") == b"PONG", "the connection")
        wait_until(lambda: client.command("SET", "b", "2") == b"OK", "storage")
        assert client.command("GET", "b") == b"2"


def test_several_crashes_in_a_row(server: ServerProcess, client: Client) -> None:
    dead = storage_process_id(client)
    for number in range(3):
        assert client.command("SET", f"round{number}", "x" * 5000) == b"OK"
        os.kill(dead, signal.SIGKILL)
        dead = wait_for_new_storage(client, dead)
    replies = client.pipeline([("STRLEN", f"round{number}") for number in range(3)])
    assert replies == [5000] * 3


def test_a_dead_network_process_lets_storage_finish(start_kiwi: StartKiwi) -> None:
    server = start_kiwi()
    with server.client() as client:
        storage = storage_process_id(client)
        client.send(b"".join(encode("SET", f"k{n}", n) for n in range(1000)))
        answered = 0
        while answered < 500:
            assert client.reply() == b"OK"
            answered += 1
        server.signal(signal.SIGKILL)
        server.wait()
    wait_until(lambda: not is_alive(storage), "the end of the storage process")
    server.start()
    with server.client() as client:
        assert 500 <= client.command("DBSIZE") <= 1000
