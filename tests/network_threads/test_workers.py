"""Several network processes of one server: each may die, hang or be stopped, the others serve."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi_engine import clock
from tests.conftest import QUICK_START
from tests.lifecycle.watched import storage_process_id, wait_for_new_storage
from tests.network_threads.conftest import PROCESSES
from tests.support.client import Client, ErrorReply, encode
from tests.support.network_processes import (
    client_in,
    clients_everywhere,
    emptied_everywhere,
    process_of,
    worker_facts,
)
from tests.support.ports import free_port
from tests.support.processes import children, is_alive
from tests.support.servers import ServerProcess, kiwi, wait_until
from tests.support.stopping import answered_to_the_end

TOO_MANY = "max number of clients"
# A killed supervisor leaves nobody behind for longer.
END_SECONDS = 5.0


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {**QUICK_START, "network-threads": PROCESSES, "runtime-health-interval": 50}
    server = kiwi(tmp_path_factory.mktemp("workers") / "data", settings)
    yield server
    server.kill()


@pytest.fixture
def mortal(lives: ServerProcess) -> ServerProcess:
    """A server of three processes: whoever comes after one that ended it starts it again."""
    if lives.process is None:
        lives.start()
    return lives


@pytest.fixture
def everywhere(mortal: ServerProcess) -> Iterator[list[Client]]:
    """A client of each process of it, while it holds no keys."""
    with emptied_everywhere(mortal, PROCESSES) as found:
        yield found


def process_id_of(client: Client, number: int) -> int:
    return int(worker_facts(client, number)["pid"])


def is_closed(client: Client) -> bool:
    """Wait for the end of a connection that is owed nothing."""
    try:
        return client.read_until_closed() == b""
    except ConnectionResetError:
        return True


def test_each_process_serves_the_same_data(everywhere: list[Client]) -> None:
    for number, client in enumerate(everywhere):
        assert client.command("SET", f"k{number}", number) == b"OK"
    for client in everywhere:
        assert client.command("MGET", "k0", "k1", "k2") == [b"0", b"1", b"2"]
    states = [worker_facts(everywhere[0], number)["state"] for number in (1, 2)]
    assert states == ["running", "running"]
    assert everywhere[0].info("runtime")["network_threads"] == "3"


def test_one_that_is_killed_comes_back_and_knows_what_changed(
    mortal: ServerProcess, everywhere: list[Client]
) -> None:
    first, second, third = everywhere
    before = int(worker_facts(first, 1)["restarts"])
    assert third.command("CONFIG", "SET", "slowlog-max-len", "77") == b"OK"
    assert third.command("ACL", "SETUSER", "eve", "on", ">secret", "+@all", "~*") == b"OK"
    number_of_the_dead = second.command("CLIENT", "ID")
    assert third.command("SET", "kept", "1") == b"OK"
    os.kill(process_id_of(first, 1), signal.SIGKILL)
    assert is_closed(second)
    assert first.command("PING") == b"PONG"
    assert third.command("GET", "kept") == b"1"
    with client_in(mortal, 1, PROCESSES) as successor:
        assert successor.command("CLIENT", "ID") > number_of_the_dead
        assert successor.command("CONFIG", "GET", "slowlog-max-len") == [b"slowlog-max-len", b"77"]
        assert successor.command("AUTH", "eve", "secret") == b"OK"
        assert successor.command("GET", "kept") == b"1"
    assert int(worker_facts(third, 1)["restarts"]) == before + 1
    assert "network-1 recovering: it ended: SIGKILL" in first.command("INFO", "runtime").decode()


def test_a_storage_process_that_dies_costs_nobody_a_connection(
    mortal: ServerProcess, everywhere: list[Client]
) -> None:
    for number, client in enumerate(everywhere):
        assert client.command("SET", f"k{number}", "before") == b"OK"
    dead = storage_process_id(everywhere[0])
    waiting = [encode("BLPOP", f"list{number}", "0") for number in range(PROCESSES)]
    for client, command in zip(everywhere, waiting, strict=True):
        client.send(command)
    with mortal.client() as control:
        wait_until(
            lambda: control.info("clients")["total_blocking_keys"] == str(PROCESSES), "all to wait"
        )
        os.kill(dead, signal.SIGKILL)
        wait_for_new_storage(control, dead)
        for number, client in enumerate(everywhere):
            assert control.command("RPUSH", f"list{number}", "late") == 1
            assert client.reply() == [b"list%d" % number, b"late"]
            assert client.command("GET", f"k{number}") == b"before"


def test_one_that_hangs_is_replaced_while_others_serve(
    mortal: ServerProcess, everywhere: list[Client]
) -> None:
    first, second, third = everywhere
    assert first.command("CONFIG", "SET", "network-hang-timeout", "500") == b"OK"
    hangs = process_id_of(first, 2)
    os.kill(hangs, signal.SIGSTOP)
    for turn in range(20):
        assert first.command("INCR", "n") == turn + 1
        assert second.command("GET", "n") == b"%d" % (turn + 1)
    assert is_closed(third)
    with client_in(mortal, 2, PROCESSES) as successor:
        assert successor.command("GET", "n") == b"20"
    assert first.command("CONFIG", "SET", "network-hang-timeout", "10s") == b"OK"
    assert "it had not answered for" in mortal.output()
    assert not is_alive(hangs)


def test_clients_of_all_processes_count_against_maxclients(
    mortal: ServerProcess, everywhere: list[Client]
) -> None:
    first, second, third = everywhere
    limit = 7

    def accepted() -> list[Client]:
        """As many more as there is room for; those that were turned away are closed."""
        found = []
        for _ in range(40):
            client = mortal.client()
            try:
                client.send(encode("PING"))
                answer = client.reply()
            except ConnectionError:
                answer = None
            if answer == b"PONG":
                found.append(client)
            else:
                assert answer is None or TOO_MANY in str(answer)
                client.close()
        return found

    assert second.command("CONFIG", "SET", "maxclients", str(limit)) == b"OK"
    try:
        wait_until(lambda: clients_count(first) == PROCESSES, "earlier clients to be forgotten")
        others = accepted()
        assert len(others) == limit - PROCESSES
        # The places of those who lose their connections are free again.
        lost = sum(process_of(client, PROCESSES) == 2 for client in others)
        os.kill(process_id_of(first, 2), signal.SIGKILL)
        assert is_closed(third)
        wait_until(lambda: clients_count(first) == limit - 1 - lost, "the end of its clients")
        for client in others:
            client.close()
    finally:
        assert first.command("CONFIG", "SET", "maxclients", "10000") == b"OK"


def clients_count(client: Client) -> int:
    return int(client.info("clients")["connected_clients"])


def test_all_follow_to_another_port(mortal: ServerProcess, everywhere: list[Client]) -> None:
    port = free_port()
    before = mortal.port
    assert everywhere[2].command("CONFIG", "SET", "port", port) == b"OK"
    mortal.port = port
    try:
        for client in clients_everywhere(mortal, PROCESSES):
            client.close()
        with pytest.raises(ConnectionRefusedError):
            Client(before)
    finally:
        assert everywhere[1].command("CONFIG", "SET", "port", before) == b"OK"
        mortal.port = before
    for client in clients_everywhere(mortal, PROCESSES):
        client.close()


def test_a_port_that_another_server_would_share(tmp_path: Path, everywhere: list[Client]) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        port = other.getsockname()[1]
        server = kiwi(tmp_path / "data", {**QUICK_START, "network-threads": 2}, port=port)
        server.start(wait=False)
        assert server.wait() == 1
        assert "Address already in use" in server.output()
        for client in everywhere:
            refused = client.command("CONFIG", "SET", "port", port)
            assert isinstance(refused, ErrorReply)
            assert "Unable to listen on this port" in str(refused)


def test_told_to_stop_all_answer_what_they_have_accepted(
    mortal: ServerProcess, everywhere: list[Client]
) -> None:
    count = 2000
    started = children(mortal.pid)
    assert len(started) >= PROCESSES, "two workers and storage"
    for number, client in enumerate(everywhere):
        client.send(b"".join(encode("SET", f"{number}:{n}", "v") for n in range(count)))
        assert client.reply() == b"OK"
    os.killpg(mortal.pid, signal.SIGTERM)
    answered = [1 + answered_to_the_end(client) for client in everywhere]
    assert mortal.wait() == 0
    assert not any(is_alive(each) for each in started)
    mortal.start()
    with mortal.client() as client:
        for number in range(PROCESSES):
            keys = [f"{number}:{n}" for n in range(count)]
            assert client.command("EXISTS", *keys) == answered[number]


def test_nobody_outlives_a_killed_supervisor(mortal: ServerProcess) -> None:
    started = children(mortal.pid)
    for client in clients_everywhere(mortal, PROCESSES):
        client.close()
    mortal.signal(signal.SIGKILL)
    mortal.wait()
    deadline_ns = clock.monotonic_ns() + int(END_SECONDS * 1e9)
    while any(is_alive(each) for each in started):
        assert clock.monotonic_ns() < deadline_ns, "some process lives on"
        clock.sleep(0.01)
