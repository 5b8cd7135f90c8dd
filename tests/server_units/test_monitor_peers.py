"""Where what is executed is shown, as monitors come and go in several network processes."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from kiwi_engine.channel.events import Monitored
from kiwi_engine.server.network.monitoring import Monitors
from kiwi_engine.server.network.monitors_elsewhere import PrimaryElsewhere, WorkerElsewhere
from kiwi_engine.server.network.session import Session
from tests.server_units.peers_world import PRIMARY, PeersWorld

COUNT = 3


class Process:
    """The monitors of one network process."""

    def __init__(self, world: PeersWorld, number: int) -> None:
        self.number = number
        self.shown: list[tuple[int, bytes]] = []
        self.is_quiet = True
        self.wanted: list[bool] = []
        peers = world.peers[number]
        elsewhere = PrimaryElsewhere(peers) if peers.is_primary else WorkerElsewhere(peers)
        self.monitors = Monitors(
            lambda session, encoded: self.shown.append((session, encoded)),
            lambda session, encoded: self.shown.append((session, encoded)),
            self._settle,
            self.wanted.append,
            elsewhere,
        )
        self._next_id = number + 1

    def _settle(self) -> None:
        self.is_quiet = not self.monitors

    def connect(self) -> Session:
        session = Session(self._next_id, f"c:{self.number}", "s:1", 0, authenticated=True)
        self._next_id += COUNT
        return session

    async def monitor(self, session: Session) -> None:
        with self.monitors.beginning() as elsewhere:
            await elsewhere.begin()
            self.monitors.add(session)

    def show(self, word: bytes) -> None:
        if not self.is_quiet:
            self.monitors.show(self.connect(), [b"ECHO", word])


class Net:
    def __init__(self) -> None:
        self.world = PeersWorld(COUNT)
        self.processes = [Process(self.world, number) for number in range(COUNT)]
        for number in range(1, COUNT):
            self.world.start(number)

    def quiet(self) -> list[bool]:
        self.world.deliver_all()
        return [process.is_quiet for process in self.processes]


def words(process: Process, session: Session) -> list[bytes]:
    """The last words of the lines that a connection was sent."""
    return [line.split(b'"')[-2] for to, line in process.shown if to == session.id]


@pytest.mark.parametrize("here", range(COUNT))
def test_all_is_shown_while_somebody_monitors(here: int) -> None:
    async def run() -> None:
        net = Net()
        place = net.processes[here]
        first, second = place.connect(), place.connect()
        assert net.quiet() == [True] * COUNT
        await place.monitor(first)
        assert net.quiet() == [False] * COUNT
        await place.monitor(second)
        place.monitors.remove(first)
        for process in net.processes:
            process.show(b"%d" % process.number)
        assert net.quiet() == [False] * COUNT
        assert sorted(words(place, second)) == [b"0", b"1", b"2"]
        assert words(place, first) == []
        place.monitors.remove(second)
        assert net.quiet() == [True] * COUNT
        assert (place.wanted[0], place.wanted[-1]) == (True, False)

    asyncio.run(run())


def test_what_a_script_calls_is_shown_by_the_process_of_its_client() -> None:
    async def run() -> None:
        net = Net()
        sessions = [process.connect() for process in net.processes]
        for process, session in zip(net.processes, sessions, strict=True):
            await process.monitor(session)
        caller = net.processes[1].connect()
        for process in net.processes:
            process.monitors.show_called(Monitored(1, 0, [b"GET", b"k"], caller.id))
        net.world.deliver_all()
        for process, session in zip(net.processes, sessions, strict=True):
            assert words(process, session) == [b"k"]

    asyncio.run(run())


def test_processes_come_and_go() -> None:
    async def run() -> None:
        net = Net()
        await net.processes[1].monitor(net.processes[1].connect())
        net.world.kill(2)
        net.processes[2] = Process(net.world, 2)
        net.world.start(2)
        assert net.quiet() == [False] * COUNT, "the successor is told"
        net.world.kill(1)
        net.processes[1] = Process(net.world, 1)
        net.world.start(1)
        assert net.quiet() == [True] * COUNT, "its monitors died with it"

    asyncio.run(run())


def test_one_who_is_gone_while_it_begins_leaves_nothing_behind() -> None:
    async def run() -> None:
        net = Net()
        for process in net.processes:
            session = process.connect()
            session.is_closed = True
            await process.monitor(session)
            assert net.quiet() == [True] * COUNT
            assert process.wanted[-1:] == [False]

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(10))
def test_in_the_end_all_know_whether_somebody_monitors(seed: int) -> None:
    async def run() -> None:
        random = Random(seed)
        net = Net()
        present: list[tuple[Process, Session]] = []
        for _ in range(100):
            process = random.choice(net.processes)
            if present and random.random() < 0.5:
                process, session = present.pop(random.randrange(len(present)))
                process.monitors.remove(session)
            elif random.random() < 0.5:
                session = process.connect()
                await process.monitor(session)
                present.append((process, session))
            else:
                net.world.deliver_one(random)
        assert net.quiet() == [not present] * COUNT
        net.processes[PRIMARY].show(b"end")
        net.world.deliver_all()
        assert all(words(process, session)[-1:] == [b"end"] for process, session in present)

    asyncio.run(run())
