"""Pub/sub of several network processes, with the links between them in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from kiwi_engine.server.network.pubsub.broker import Broker
from kiwi_engine.server.network.pubsub.exchange import Answer, Exchange, PrimaryExchange
from kiwi_engine.server.network.pubsub.registry import Kind
from kiwi_engine.server.network.pubsub.worker_exchange import WorkerExchange
from kiwi_engine.server.network.session import Session
from tests.server_units.peers_world import PRIMARY, PeersWorld

COUNT = 3
CHANNELS = [b"a", b"b"]


class Outlet:
    """A connection: what it has been sent, and what waits for its reply, as in `ReplyLine`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[bytes] = []
        self._behind: list[bytes] = []
        self._holds = False
        self.is_waiting = False

    def push(self, encoded: bytes) -> None:
        (self._behind if self._holds else self.sent).append(encoded)

    def push_held(self, encoded: bytes) -> None:
        self._behind.append(encoded)
        self._holds = True

    def reply(self, encoded: bytes) -> None:
        self.sent += [encoded, *filter(None, self._behind)]
        self._behind.clear()
        self._holds = self.is_waiting = False


class Process:
    """The pub/sub of one network process."""

    def __init__(self, world: PeersWorld, number: int) -> None:
        self.number = number
        self.outlets: dict[int, Outlet] = {}
        peers = world.peers[number]
        self.broker = Broker(
            lambda session, encoded: self._outlet(session, Outlet.push, encoded),
            lambda session, encoded: self._outlet(session, Outlet.push_held, encoded),
            lambda: None,
        )
        kind = PrimaryExchange if peers.is_primary else WorkerExchange
        self.exchange: Exchange = kind(self.broker, peers)
        self._next_id = number + 1

    def _outlet(self, session: int, send: Callable[[Outlet, bytes], None], encoded: bytes) -> None:
        if session in self.outlets:
            send(self.outlets[session], encoded)

    def connect(self) -> Outlet:
        session = Session(self._next_id, "c:1", "s:1", 0, authenticated=True)
        self._next_id += COUNT
        outlet = self.outlets[session.id] = Outlet(session)
        return outlet

    def close(self, outlet: Outlet) -> None:
        outlet.session.is_closed = True
        self.exchange.forget(outlet.session)
        del self.outlets[outlet.session.id]

    def answer(self, outlet: Outlet, answer: Answer) -> asyncio.Future[bytes]:
        """Send the reply, at once or when it is there."""
        outlet.is_waiting = True

        async def wait() -> bytes:
            encoded = answer if isinstance(answer, bytes) else await answer
            outlet.reply(encoded)
            return encoded

        if isinstance(answer, bytes):
            outlet.reply(answer)
            done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            done.set_result(answer)
            return done
        return asyncio.ensure_future(wait())


class Net:
    """Three processes that run."""

    def __init__(self) -> None:
        self.world = PeersWorld(COUNT)
        self.processes = [Process(self.world, number) for number in range(COUNT)]
        for number in range(1, COUNT):
            self.world.start(number)

    @property
    def exchange(self) -> Exchange:
        return self.processes[PRIMARY].exchange

    async def settle(self) -> None:
        """Let everything arrive, and all replies leave."""
        for _ in range(3):
            self.world.deliver_all()
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def message(channel: bytes, content: bytes) -> bytes:
    return b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (
        *(len(channel), channel),
        *(len(content), content),
    )


def contents(outlet: Outlet) -> list[int]:
    """The numbers of the messages that it was sent."""
    found = [each.split(b"\r\n")[-2] for each in outlet.sent if b"\r\nmessage\r\n" in each]
    return [int(each) for each in found]


class History:
    """Random clients of all processes; checks what is promised while they go on."""

    def __init__(self, seed: int, *, closes: bool) -> None:
        self.random = Random(seed)
        self.closes = closes
        self.net = Net()
        self.outlets = [(each, each.connect()) for each in self.net.processes for _ in range(3)]
        self.gone: list[Outlet] = []
        self.published = 0
        self.counts: dict[int, asyncio.Future[bytes]] = {}
        # By message: those who had their confirmation when it was published, and wanted nothing
        # else since.
        self.expected: dict[int, list[Outlet]] = {}

    def act(self) -> None:
        process, outlet = self.random.choice(self.outlets)
        if outlet.is_waiting:
            return
        session, channel = outlet.session, self.random.choice(CHANNELS)
        what = self.random.random()
        if self.closes and what < 0.1:
            # Also in the middle of something.
            self._begin(process, outlet, channel)
            process.close(outlet)
            self.outlets.remove((process, outlet))
            self.gone.append(outlet)
            self.outlets.append((process, process.connect()))
        elif what < 0.5:
            self._begin(process, outlet, channel)
        else:
            self.published += 1
            number = self.published
            self.expected[number] = [
                each
                for _, each in self.outlets
                if not each.is_waiting
                and each.session.subscriptions is not None
                and channel in each.session.subscriptions.names[Kind.CHANNEL]
            ]
            content = b"%d" % number
            answer = process.exchange.publish(session, channel, content, is_sharded=False)
            self.counts[number] = process.answer(outlet, answer)

    def _begin(self, process: Process, outlet: Outlet, channel: bytes) -> None:
        """Subscribe or unsubscribe; messages under way may come before or behind that."""
        for number, answer in self.counts.items():
            if not answer.done() and outlet in self.expected[number]:
                self.expected[number].remove(outlet)
        change = self.random.choice((process.exchange.subscribe, process.exchange.unsubscribe))
        process.answer(outlet, change(outlet.session, Kind.CHANNEL, [channel]))

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            self.act()
            for _ in range(self.random.randrange(4)):
                self.net.world.deliver_one(self.random)
                if self.random.random() < 0.5:
                    await asyncio.sleep(0)
        await self.net.settle()

    async def check(self) -> None:
        all_outlets = [outlet for _, outlet in self.outlets] + self.gone
        self._check_order(all_outlets)
        for number, waiting in self.counts.items():
            count = int((await waiting)[1:-2])
            got = sum(contents(outlet).count(number) for outlet in all_outlets)
            if self.closes:
                assert got <= count
            else:
                assert got == count
            for outlet in self.expected[number]:
                if outlet not in self.gone:
                    assert number in contents(outlet)
        for channel in CHANNELS:
            count = sum(
                process.broker.registry.count(Kind.CHANNEL, channel)
                for process in self.net.processes
            )
            assert self.net.exchange.count(Kind.CHANNEL, channel) == count
            assert (channel in self.net.exchange.names(Kind.CHANNEL)) == (count > 0)

    @staticmethod
    def _check_order(outlets: list[Outlet]) -> None:
        """There is one order of all messages that nobody contradicts."""
        behind: dict[int, set[int]] = {}
        for outlet in outlets:
            seen = contents(outlet)
            assert len(seen) == len(set(seen))
            for before, after in pairwise(seen):
                behind.setdefault(before, set()).add(after)
        in_front = dict.fromkeys(behind, 0)
        for each in behind.values():
            for number in each:
                in_front[number] = in_front.get(number, 0) + 1
        free = [number for number, count in in_front.items() if not count]
        for number in free:
            for after in behind.get(number, ()):
                in_front[after] -= 1
                if not in_front[after]:
                    free.append(after)
        assert len(free) == len(in_front), "somebody has seen two messages the other way round"


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_any_history(seed: int, closes: bool) -> None:
    async def run() -> None:
        history = History(seed, closes=closes)
        await history.run(250)
        assert history.published > 50
        await history.check()

    asyncio.run(run())


def test_a_worker_that_dies_takes_its_subscribers_with_it() -> None:
    async def run() -> None:
        net = Net()
        for process in net.processes:
            outlet = process.connect()
            for kind, name in ((Kind.CHANNEL, b"a"), (Kind.PATTERN, b"*")):
                process.answer(outlet, process.exchange.subscribe(outlet.session, kind, [name]))
                await net.settle()
        publisher = net.processes[2].connect()
        assert net.exchange.count(Kind.CHANNEL, b"a") == COUNT
        net.world.kill(1)
        assert net.exchange.count(Kind.CHANNEL, b"a") == COUNT - 1
        answer = net.processes[2].exchange.publish(publisher.session, b"a", b"x", is_sharded=False)
        net.processes[2].answer(publisher, answer)
        await net.settle()
        assert publisher.sent == [b":%d\r\n" % (2 * (COUNT - 1))]
        net.world.kill(2)
        assert net.exchange.names(Kind.PATTERN) == [b"*"]
        assert net.exchange.count(Kind.PATTERN, b"*") == 1

    asyncio.run(run())


def test_messages_stay_behind_the_confirmation() -> None:
    """Also those that arrive between the answer of the primary and the reply."""

    async def run() -> None:
        net = Net()
        worker = net.processes[1]
        outlet, publisher = worker.connect(), net.processes[PRIMARY].connect()
        answer = worker.exchange.subscribe(outlet.session, Kind.CHANNEL, [b"a"])
        waiting = worker.answer(outlet, answer)
        net.world.deliver_one(Random(0))
        net.exchange.publish(publisher.session, b"a", b"x", is_sharded=False)
        net.world.deliver_all()
        assert outlet.sent == []
        confirmation = await waiting
        assert outlet.sent == [confirmation, message(b"a", b"x")]

    asyncio.run(run())


def test_what_ends_is_not_counted_once_it_is_known() -> None:
    async def run() -> None:
        net = Net()
        worker = net.processes[2]
        outlet = worker.connect()
        worker.answer(outlet, worker.exchange.subscribe(outlet.session, Kind.CHANNEL, [b"a"]))
        await net.settle()
        departed = worker.exchange.forget(outlet.session)
        assert departed is not None
        assert net.exchange.count(Kind.CHANNEL, b"a") == 1
        net.world.deliver_all()
        await departed
        assert net.exchange.count(Kind.CHANNEL, b"a") == 0
        assert worker.exchange.forget(outlet.session) is None, "nothing is left to end"

    asyncio.run(run())
