"""The crash harness itself: it accepts a server that keeps its word and convicts one that does not.

Judged with redis-server, which does either, depending on its configuration.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kiwi_engine.testing.oracle import Stream
from tests.support.crash_client import CrashClient, SharedCounter
from tests.support.read_back import read_back
from tests.support.servers import ServerProcess, find_redis_server, redis_server, wait_until
from tests.support.workload import SHARED_COUNTER, Workload

pytestmark = pytest.mark.skipif(not find_redis_server(), reason="redis-server is not installed")


# Of each client before each kill: what they draw is the same each time, and all kinds are in it.
_BURSTS = 20


def crash(server: ServerProcess, clients: list[CrashClient], counter: SharedCounter) -> list[str]:
    """Load, kill, restart, and the violations that are found."""
    enough = {client: client.bursts_done + _BURSTS for client in clients}
    for client in clients:
        client.start(server.port)
    wait_until(lambda: all(client.bursts_done >= enough[client] for client in clients), "load")
    server.kill()
    for client in clients:
        client.finish()
    server.start()
    violations: list[str] = []
    with server.client() as reader:
        for client in clients:
            violations += client.violations
            observed = read_back(reader, sorted(client.stream.keys()))
            violations += client.stream.settle(observed)
        value = read_back(reader, [SHARED_COUNTER])[SHARED_COUNTER]
        violations += counter.settle(int(value or 0))
    return violations


def make_clients(count: int, *, may_disconnect: bool) -> tuple[list[CrashClient], SharedCounter]:
    counter = SharedCounter()
    clients = []
    for number in range(count):
        stream = Stream(f"c{number}")
        workload = Workload(random.Random(number), stream)
        clients.append(CrashClient(workload, stream, counter, may_disconnect=may_disconnect))
    return clients, counter


def test_a_durable_server_passes(tmp_path: Path) -> None:
    settings = {"appendonly": "yes", "appendfsync": "always"}
    clients, counter = make_clients(3, may_disconnect=True)
    with redis_server(tmp_path / "data", settings) as server:
        assert crash(server, clients, counter) == []
        assert crash(server, clients, counter) == []
    assert sum(client.acknowledged_count for client in clients) > 0


def test_a_forgetful_server_is_convicted(tmp_path: Path) -> None:
    clients, counter = make_clients(3, may_disconnect=True)
    with redis_server(tmp_path / "data", {"appendonly": "no"}) as server:
        violations = crash(server, clients, counter)
    assert any("present key" in violation for violation in violations)
    assert any("shared counter" in violation for violation in violations)
    assert any(":both:hash" in violation for violation in violations)


def test_a_lost_connection_is_a_violation_where_it_must_survive(tmp_path: Path) -> None:
    settings = {"appendonly": "yes", "appendfsync": "always"}
    clients, counter = make_clients(1, may_disconnect=False)
    with redis_server(tmp_path / "data", settings) as server:
        (violation,) = crash(server, clients, counter)
    assert "the connection was lost" in violation
