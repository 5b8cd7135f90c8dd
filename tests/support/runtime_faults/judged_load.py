"""Clients whose writes are judged by an oracle, and keys that must stay as they are (glue)."""

from __future__ import annotations

import random
from collections import Counter as Tally
from typing import Final

from kiwi_engine.testing.oracle import Stream
from tests.support.client import Client
from tests.support.crash_client import CrashClient, SharedCounter
from tests.support.read_back import ReadBackError, read_back
from tests.support.servers import wait_until
from tests.support.workload import SHARED_COUNTER, Workload

_KEYS_AT_ONCE: Final = 1000
# After these each client has sent and received something since it was asked.
_BURSTS: Final = 2


class JudgedLoad:
    """Some crash clients; see there for what each of them checks while it runs."""

    def __init__(self, seed: str, clients: int, *, may_disconnect: bool) -> None:
        self._counter = SharedCounter()
        self._clients = []
        for number in range(clients):
            stream = Stream(f"c{number}")
            workload = Workload(random.Random(f"{seed}:{number}"), stream)
            client = CrashClient(workload, stream, self._counter, may_disconnect=may_disconnect)
            self._clients.append(client)

    @property
    def acknowledged_count(self) -> int:
        """Writes so far."""
        return sum(client.acknowledged_count for client in self._clients)

    @property
    def refusals(self) -> Tally[str]:
        """First words of the error replies so far."""
        return sum((client.refusals for client in self._clients), Tally())

    def start(self, port: int) -> None:
        for client in self._clients:
            client.start(port)

    def wait_until_served(self, timeout_s: float) -> None:
        """Return when each client that is still connected was answered."""
        goals = [client.bursts_done + _BURSTS for client in self._clients]
        wait_until(
            lambda: all(
                client.bursts_done >= goal or not client.running
                for client, goal in zip(self._clients, goals, strict=True)
            ),
            "all clients to be served",
            timeout_s,
        )

    def finish(self) -> None:
        """Disconnect, with everything answered that can be."""
        for client in self._clients:
            client.finish()

    def judge(self, reader: Client) -> list[str]:
        """What went wrong while they ran, and what the oracles say of the state now."""
        found = []
        for client in self._clients:
            found += client.violations
            client.violations.clear()
            try:
                found += client.stream.settle(read_back(reader, sorted(client.stream.keys())))
            except ReadBackError as error:
                found.append(str(error))
        shared = read_back(reader, [SHARED_COUNTER])[SHARED_COUNTER]
        return found + self._counter.settle(int(shared or 0))


def load_keys(client: Client, count: int) -> None:
    """Set `count` keys that `missing_keys` looks for."""
    for first in range(0, count, _KEYS_AT_ONCE):
        numbers = range(first, min(first + _KEYS_AT_ONCE, count))
        replies = client.pipeline([("SET", f"loaded:{n}", n) for n in numbers])
        assert set(replies) == {b"OK"}, f"loading was refused: {replies[0]!r}"


def missing_keys(client: Client, count: int) -> int:
    """How many of them do not hold what they were set to."""
    missing = 0
    for first in range(0, count, _KEYS_AT_ONCE):
        numbers = range(first, min(first + _KEYS_AT_ONCE, count))
        found = client.command("MGET", *(f"loaded:{n}" for n in numbers))
        missing += sum(value != b"%d" % n for n, value in zip(numbers, found, strict=True))
    return missing
