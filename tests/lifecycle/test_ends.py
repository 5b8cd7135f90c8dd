"""How a server ends other than by one request: no restarts left, or told to stop once more."""

from __future__ import annotations

import os
import signal

from kiwi_engine import clock
from tests.lifecycle.conftest import RESTARTS
from tests.lifecycle.watched import (
    stopped,
    storage_process_id,
    wait_for_end,
    wait_for_new_storage,
    wait_for_state,
    wait_for_storage_to_begin,
)
from tests.support.client import encode
from tests.support.servers import ServerProcess, wait_until
from tests.support.stopping import answered_while_stopping


def test_the_server_ends_when_its_restarts_are_spent(mortal: ServerProcess) -> None:
    with mortal.client() as client:
        assert client.command("SET", "a", "1") == b"OK"
        for restarts in range(1, RESTARTS + 1):
            dead = storage_process_id(client)
            os.kill(dead, signal.SIGKILL)
            wait_for_new_storage(client, dead)
            runtime = wait_for_state(client, "running")
            assert runtime["storage_restarts"] == str(restarts)
            assert runtime["storage_restarts_left"] == str(RESTARTS - restarts)
            assert runtime["storage_last_exit"] == "SIGKILL"
        os.kill(storage_process_id(client), signal.SIGKILL)
        assert client.read_until_closed() == b""
    assert mortal.wait() == 1
    assert "storage-restart-limit" in mortal.output()
    assert "the supervisor is gone" not in mortal.output(), "none of them was an orphan"
    mortal.start()
    with mortal.client() as client:
        assert client.command("GET", "a") == b"1"


def test_a_second_signal_ends_the_wait(mortal: ServerProcess) -> None:
    with mortal.client() as client, mortal.client() as other:
        assert client.pipeline([("SET", f"k{n}", n) for n in range(100)]) == [b"OK"] * 100
        storage = storage_process_id(client)
        with stopped(storage):
            other.send(encode("SET", "waits", "1"))
            assert client.command("PING") == b"PONG"
            mortal.signal(signal.SIGTERM)
            wait_until(lambda: "an answer is awaited" in mortal.output(), "the stop to begin")
            clock.sleep(1)
            mortal.signal(signal.SIGTERM)
            # Long before either deadline of an orderly stop.
            assert mortal.wait(8) == 1
            wait_for_end(storage)
    assert "told to stop once more" in mortal.output()
    mortal.start()
    with mortal.client() as client:
        assert client.command("DBSIZE") in (100, 101)
        assert client.command("GET", "k99") == b"99"


def test_a_signal_ends_a_start(mortal: ServerProcess) -> None:
    with mortal.client() as client:
        assert client.command("SET", "a", "1") == b"OK"
    mortal.kill()
    mortal.start(wait=False)
    storage = wait_for_storage_to_begin(mortal)
    with stopped(storage):
        mortal.signal(signal.SIGTERM)
        assert mortal.wait(8) == 0
        wait_for_end(storage)
    mortal.start()
    with mortal.client() as client:
        assert client.command("GET", "a") == b"1"


def test_a_signal_to_all_processes_is_one_to_the_supervisor(mortal: ServerProcess) -> None:
    """Service managers and terminals send theirs to a whole group, `timeout` sends two."""

    def stop() -> None:
        os.killpg(mortal.pid, signal.SIGTERM)
        mortal.signal(signal.SIGTERM)

    answered = answered_while_stopping(mortal, stop, 2000)
    assert mortal.wait() == 0
    assert "storage runtime is stopped: code 0" in mortal.output()
    mortal.start()
    with mortal.client() as client:
        assert client.command("DBSIZE") == answered
