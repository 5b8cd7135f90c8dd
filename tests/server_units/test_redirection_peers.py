"""Telling connections of other network processes, and what becomes of it when they are gone."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

from kiwi_engine.errors import KiwiError
from kiwi_engine.server.network.tracking.redirections import Ends, Redirections
from tests.server_units.peers_world import PeersWorld

COUNT = 3
PAIRS = list(product(range(COUNT), repeat=2))


class Process:
    """The redirections of one network process, which has `connections`."""

    def __init__(self, world: PeersWorld, number: int) -> None:
        self.connections = {number + 1, number + 1 + COUNT}
        self.delivered: list[tuple[int, list[bytes] | None]] = []
        self.broken: list[tuple[int, int]] = []
        ends = Ends(self.connections.__contains__, self._deliver, self._note_broken)
        self.redirections = Redirections(world.peers[number], ends)

    def _deliver(self, connection: int, keys: list[bytes] | None) -> bool:
        self.delivered.append((connection, keys))
        return connection in self.connections

    def _note_broken(self, tracker: int, connection: int) -> None:
        self.broken.append((tracker, connection))


class Net:
    def __init__(self) -> None:
        self.world = PeersWorld(COUNT)
        self.processes = [Process(self.world, number) for number in range(COUNT)]
        for number in range(1, COUNT):
            self.world.start(number)

    def send(self, here: int, connection: int, keys: list[bytes] | None) -> None:
        """The first connection of the process `here` redirects to `connection`."""
        self.processes[here].redirections.send(connection, here + 1, keys)
        self.world.deliver_all()


@pytest.mark.parametrize(("here", "there"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_delivered_where_the_connection_is(here: int, there: int) -> None:
    net = Net()
    net.send(here, there + 1, [b"k"])
    net.send(here, there + 1, None)
    assert net.processes[there].delivered == [(there + 1, [b"k"]), (there + 1, None)]
    assert [process.broken for process in net.processes] == [[]] * COUNT


@pytest.mark.parametrize(("here", "there"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_one_that_is_gone_is_told_back(here: int, there: int) -> None:
    net = Net()
    gone = there + 1 + 5 * COUNT
    net.send(here, gone, [b"k"])
    expected: list[list[tuple[int, int]]] = [[] for _ in range(COUNT)]
    expected[here] = [(here + 1, gone)]
    assert [process.broken for process in net.processes] == expected


@pytest.mark.parametrize("here", [0, 2])
def test_so_is_one_whose_process_is_gone(here: int) -> None:
    net = Net()
    net.world.kill(1)
    net.send(here, 2, [b"k"])
    assert net.processes[here].broken == [(here + 1, 2)]


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_whether_a_connection_exists(here: int, there: int) -> None:
    async def run() -> None:
        net = Net()
        redirections = net.processes[here].redirections
        assert redirections.crosses(there + 1) == (here != there)
        assert await redirections.exists(there + 1)
        assert not await redirections.exists(there + 1 + 5 * COUNT)
        if there != 0 and here != there:
            net.world.kill(there)
            assert not await redirections.exists(there + 1)

    asyncio.run(run())


def test_one_whose_process_does_not_answer_does_not_exist() -> None:
    async def run() -> None:
        net = Net()

        async def ask_worker(number: int, method: str, parameters: Any) -> Any:
            raise KiwiError("another network process did not answer in time")

        net.world.peers[0].ask_worker = ask_worker  # type: ignore[method-assign]
        assert not await net.processes[0].redirections.exists(2)
        assert not await net.processes[2].redirections.exists(2)
        assert await net.processes[2].redirections.exists(1), "the primary has it itself"

    asyncio.run(run())
