"""The supervisor is killed: the storage process commits what it accepted and ends by itself."""

from __future__ import annotations

import socket

import pytest

from kiwi_engine import clock
from kiwi_engine.server.storage.orphan_watch import OrphanWatch, is_gone
from tests.lifecycle.watched import (
    kill_supervisor,
    stopped,
    storage_process_id,
    wait_for_end,
    wait_for_state,
    wait_for_storage_to_begin,
)
from tests.support.client import Client, encode
from tests.support.servers import ServerProcess, wait_until

ENDLESS_AFTER_A_WRITE = "redis.call('SET', KEYS[1], 'v') while true do end"


def check_all_is_there(server: ServerProcess, count: int) -> None:
    """A server can be started at once, and has what was acknowledged."""
    server.start()
    with server.client() as client:
        found = client.pipeline([("GET", f"k{n}") for n in range(count)])
        assert found == [b"%d" % n for n in range(count)]


def write(client: Client, count: int) -> None:
    assert client.pipeline([("SET", f"k{n}", n) for n in range(count)]) == [b"OK"] * count


def test_an_idle_one_leaves_its_directory_to_others(mortal: ServerProcess) -> None:
    with mortal.client() as client:
        write(client, 1000)
        storage = storage_process_id(client)
    kill_supervisor(mortal)
    wait_for_end(storage)
    assert "the supervisor is gone" in mortal.output()
    check_all_is_there(mortal, 1000)


def test_under_load_nothing_acknowledged_is_lost(mortal: ServerProcess) -> None:
    with mortal.client() as control:
        storage = storage_process_id(control)
        client = mortal.client()
        client.send(b"".join(encode("SET", f"k{n}", n) for n in range(50_000)))
        answered = 0
        while answered < 2000:
            assert client.reply() == b"OK"
            answered += 1
        kill_supervisor(mortal)
        try:
            while client.reply() == b"OK":
                answered += 1
        except ConnectionError:
            client.close()
    wait_for_end(storage)
    check_all_is_there(mortal, answered)


@pytest.mark.parametrize(
    "command", [("DEBUG", "SLEEP", "60"), ("EVAL", ENDLESS_AFTER_A_WRITE, "1", "half")]
)
def test_in_the_middle_of_something_long(mortal: ServerProcess, command: tuple[str, ...]) -> None:
    with mortal.client() as client, mortal.client() as other:
        write(client, 100)
        storage = storage_process_id(client)
        other.send(encode(*command))
        wait_for_state(client, "degraded")
        kill_supervisor(mortal)
    wait_for_end(storage)
    check_all_is_there(mortal, 100)
    with mortal.client() as client:
        assert client.command("EXISTS", "half") == 0, "a script is made as a whole or not at all"


def test_one_that_was_stopped_ends_when_it_goes_on(mortal: ServerProcess) -> None:
    with mortal.client() as client:
        write(client, 100)
        storage = storage_process_id(client)
    with stopped(storage):
        kill_supervisor(mortal)
    wait_for_end(storage)
    check_all_is_there(mortal, 100)


def test_one_that_recovers_ends_as_well(mortal: ServerProcess) -> None:
    with mortal.client() as client:
        write(client, 100)
    mortal.kill()
    mortal.start(wait=False)
    storage = wait_for_storage_to_begin(mortal)
    with stopped(storage):
        kill_supervisor(mortal)
    wait_for_end(storage)
    check_all_is_there(mortal, 100)


def test_half_a_close_is_an_orderly_stop() -> None:
    here, there = socket.socketpair()
    with here:
        with there:
            assert not is_gone(here)
            there.shutdown(socket.SHUT_WR)
            assert here.recv(1) == b""
            assert not is_gone(here)
        assert is_gone(here)


def test_the_watch_ends_the_process_after_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("kiwi_engine.server.storage.orphan_watch.os._exit", codes.append)
    here, there = socket.socketpair()
    with here:
        with there:
            OrphanWatch(here, deadline_s=0.01).start()
            there.shutdown(socket.SHUT_WR)
            clock.sleep(0.1)
            assert codes == [], "that was half a close"
        wait_until(lambda: codes == [1], "the end of the process")
