"""Clients in each of the network processes of a server (shell)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kiwi_engine import clock
from kiwi_engine.channel.numbering import owner_of
from tests.support.client import Client
from tests.support.servers import ServerProcess

# The system spreads connections at random; so many in vain are less likely than a broken machine.
_ATTEMPTS_MAX = 2_000
_POLL_SECONDS = 0.005


def process_of(client: Client, count: int) -> int:
    """The number of the network process, of `count`, that serves `client`."""
    return owner_of(client.command("CLIENT", "ID"), count)


def _connected(server: ServerProcess, count: int) -> tuple[int, Client] | None:
    """A new client and the number of its process; None: one that has just died."""
    try:
        client = server.client()
    except ConnectionError:
        return None
    try:
        return process_of(client, count), client
    except ConnectionError:
        client.close()
        return None


def clients_everywhere(server: ServerProcess, count: int) -> list[Client]:
    """A client of each of `count` network processes, in their order, once all of them serve."""
    found: dict[int, Client] = {}
    for _ in range(_ATTEMPTS_MAX):
        connected = _connected(server, count)
        if connected is not None and connected[0] not in found:
            found[connected[0]] = connected[1]
        else:
            if connected is not None:
                connected[1].close()
            clock.sleep(_POLL_SECONDS)
        if len(found) == count:
            return [found[number] for number in range(count)]
    raise TimeoutError(f"clients in the processes {sorted(found)} of {count} only")


@contextmanager
def emptied_everywhere(server: ServerProcess, count: int) -> Iterator[list[Client]]:
    """As `clients_everywhere`, until the end of the block; the server holds no keys."""
    found = clients_everywhere(server, count)
    assert found[0].command("FLUSHALL") == b"OK"
    try:
        yield found
    finally:
        for client in found:
            client.close()


def client_in(server: ServerProcess, number: int, count: int) -> Client:
    """A client of this network process, once it serves."""
    for _ in range(_ATTEMPTS_MAX):
        connected = _connected(server, count)
        if connected is not None:
            if connected[0] == number:
                return connected[1]
            connected[1].close()
        clock.sleep(_POLL_SECONDS)
    raise TimeoutError(f"no client in the process {number}")


def worker_facts(client: Client, number: int) -> dict[str, str]:
    """What INFO tells of a network process beside the supervisor's."""
    line = client.info("runtime")[f"network_worker_{number}"]
    return dict(part.split("=", 1) for part in line.split(","))
