"""What becomes of subscribers, monitors and readers when a network process dies."""

from __future__ import annotations

import os
import signal

from tests.network_threads.conftest import PROCESSES
from tests.support.client import Client
from tests.support.network_processes import client_in, clients_everywhere, worker_facts
from tests.support.servers import ServerProcess, wait_until


def process_id_of(client: Client, number: int) -> int:
    """Of the worker `number`."""
    return int(worker_facts(client, number)["pid"])


def kill_worker(client: Client, number: int) -> None:
    """Kill the worker `number`; `client` is one of another process."""
    os.kill(process_id_of(client, number), signal.SIGKILL)


def test_subscribers_of_a_dead_process_count_no_more(
    clients: list[Client], three: ServerProcess
) -> None:
    lives = clients[2]
    subscribers = clients_everywhere(three, PROCESSES)
    for subscriber in subscribers:
        subscriber.command("SUBSCRIBE", "ch")
    kill_worker(clients[0], 1)
    wait_until(lambda: lives.command("PUBSUB", "NUMSUB", "ch")[1] == 2, "the end of the worker")
    assert lives.command("PUBLISH", "ch", "x") == 2
    with client_in(three, 1, PROCESSES) as successor:
        assert successor.command("SUBSCRIBE", "ch") == [b"subscribe", b"ch", 1]
        assert lives.command("PUBLISH", "ch", "y") == 3
        assert successor.reply() == [b"message", b"ch", b"y"]
    for number in (0, 2):
        assert [subscribers[number].reply()[2] for _ in range(2)] == [b"x", b"y"]
    for subscriber in subscribers:
        subscriber.close()


def test_nobody_waits_for_a_process_that_hangs(clients: list[Client], three: ServerProcess) -> None:
    """What it was told is there when it goes on."""
    subscriber, process_id = client_in(three, 1, PROCESSES), process_id_of(clients[0], 1)
    with subscriber:
        subscriber.command("SUBSCRIBE", "ch")
        os.kill(process_id, signal.SIGSTOP)
        try:
            for number in range(50):
                assert clients[number % 2 * 2].command("PUBLISH", "ch", number) == 1
            assert clients[2].command("SUBSCRIBE", "ch") == [b"subscribe", b"ch", 1]
            assert clients[0].command("PUBLISH", "ch", 50) == 2
            assert clients[0].command("PUBSUB", "NUMSUB", "ch") == [b"ch", 2]
            assert clients[0].command("MONITOR") == b"OK"
        finally:
            os.kill(process_id, signal.SIGCONT)
        assert [subscriber.reply()[2] for _ in range(51)] == [b"%d" % at for at in range(51)]


def test_a_successor_shows_its_commands_to_those_who_monitor(
    clients: list[Client], three: ServerProcess
) -> None:
    monitor = client_in(three, 2, PROCESSES)
    assert monitor.command("MONITOR") == b"OK"
    dead = client_in(three, 1, PROCESSES)
    assert dead.command("MONITOR") == b"OK"
    kill_worker(clients[0], 1)
    dead.read_until_closed()
    dead.close()
    with client_in(three, 1, PROCESSES) as successor:
        successor.command("ECHO", "seen")
        while b'"ECHO" "seen"' not in monitor.reply():
            pass
    monitor.close()


def test_a_redirection_into_a_dead_process_is_broken(
    clients: list[Client], three: ServerProcess
) -> None:
    reader = clients[2]
    reader.command("HELLO", 3)
    told = client_in(three, 1, PROCESSES)
    number = told.command("CLIENT", "ID")
    assert reader.command("CLIENT", "TRACKING", "ON", "REDIRECT", number) == b"OK"
    reader.command("GET", "k")
    kill_worker(clients[0], 1)
    successor = client_in(three, 1, PROCESSES)
    assert successor.command("CLIENT", "ID") > number
    successor.command("SET", "k", 1)
    assert reader.reply() == [b"tracking-redir-broken", number]
    told.close()
    successor.close()
