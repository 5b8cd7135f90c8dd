"""A storage process dies with writes in hand that concern clients of other processes."""

from __future__ import annotations

import os
import signal

from tests.network_threads.conftest import PROCESSES
from tests.server.test_storage_restart import storage_process_id, wait_for_new_storage
from tests.support.client import Client, ErrorReply, encode
from tests.support.network_processes import client_in
from tests.support.servers import ServerProcess, wait_until


def die_with(server: ServerProcess, *writes: tuple[str, ...]) -> None:
    """Have the last network process hand over these, and kill storage before it looks at them."""
    number = PROCESSES - 1
    with client_in(server, number, PROCESSES) as writer, client_in(server, number, PROCESSES) as at:
        stopped = storage_process_id(at)
        os.kill(stopped, signal.SIGSTOP)
        writer.send(b"".join(encode(*words) for words in writes))
        for _ in range(2):
            # Behind it the process has done all that it got before.
            assert at.command("PING") == b"PONG"
        os.kill(stopped, signal.SIGKILL)
        wait_for_new_storage(at, stopped)
        for _ in writes:
            assert str(writer.reply()).startswith("UNKNOWN ")


def test_transactions_of_others_may_not_run_if_what_they_watch_may_have_changed(
    three: ServerProcess, clients: list[Client]
) -> None:
    first, second, _ = clients
    assert first.command("MSET", "changed", "1", "same", "1") == b"OK"
    assert first.command("WATCH", "changed") == b"OK"
    assert second.command("WATCH", "same") == b"OK"
    die_with(three, ("SET", "changed", "2"))
    for client in (first, second):
        client.pipeline([("MULTI",), ("INCR", "made")])
    assert first.command("EXEC") is None
    assert second.command("EXEC") == [1]


def test_who_waits_for_others_learns_that_it_may_have_been_served(
    three: ServerProcess, clients: list[Client]
) -> None:
    first, second, third = clients
    first.send(encode("BLMOVE", "queue", "moved", "LEFT", "LEFT", "0"))
    second.send(encode("BLPOP", "moved", "0"))
    third.send(encode("BLPOP", "other", "0"))
    with three.client() as control:
        wait_until(
            lambda: control.info("clients")["total_blocking_keys"] == str(PROCESSES), "all to wait"
        )
        die_with(three, ("RPUSH", "queue", "x"))
        for client in (first, second):
            outcome = client.reply()
            assert isinstance(outcome, ErrorReply)
            assert str(outcome).startswith("UNKNOWN ")
        assert control.command("RPUSH", "other", "late") == 1
        assert third.reply() == [b"other", b"late"]
