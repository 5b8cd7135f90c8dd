"""Network processes without processes: what they tell each other arrives when a test says so.

Each link is a queue, as the real ones are: what one end sends arrives in its order, but nothing is
known of the order of two links. A `Random` that picks the next link replays a whole history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from inspect import isawaitable
from random import Random
from typing import Any

import msgspec

from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.network.peers.messages import OTHERS
from kiwi_engine.server.network.peers.methods import Method
from kiwi_engine.server.network.peers.peers import Watcher

PRIMARY = 0


class QueuedPeers:
    """`Peers` of one process of a `PeersWorld`."""

    def __init__(self, world: PeersWorld, number: int) -> None:
        self._world = world
        self.numbering = Numbering(number, world.count)
        self.methods: dict[str, Method] = {}
        self.watchers: list[tuple[Watcher, Watcher]] = []

    @property
    def is_primary(self) -> bool:
        return self.numbering.number == PRIMARY

    def register(self, name: str, method: Method) -> None:
        assert name not in self.methods
        self.methods[name] = method

    def watch(self, joined: Watcher, left: Watcher) -> None:
        self.watchers.append((joined, left))

    def tell(self, method: str, parameters: Any, to: int = OTHERS) -> None:
        self._world.send(self.numbering.number, to, method, parameters)

    async def ask_primary(self, method: str, parameters: Any, patience_s: float) -> Any:
        return await self._world.ask(self.numbering.number, PRIMARY, method, parameters)

    async def ask_workers(self, method: str, parameters: Any) -> list[Any]:
        workers = sorted(self._world.workers)
        return [await self._world.ask(PRIMARY, number, method, parameters) for number in workers]

    async def ask_worker(self, number: int, method: str, parameters: Any) -> Any:
        if number not in self._world.workers:
            raise KiwiError("this network process does not run")
        return await self._world.ask(PRIMARY, number, method, parameters)


class PeersWorld:
    """`count` processes around the primary, of which `workers` run.

    Questions are answered at once, behind what is on the same link.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.workers: set[int] = set()
        # What is on its way to a process, by sender and receiver, one of which is the primary.
        self._links: dict[tuple[int, int], deque[tuple[int, int, str, bytes]]] = {}
        self.peers = [QueuedPeers(self, number) for number in range(count)]

    def start(self, worker: int) -> None:
        """A worker joins; the test has made what is in it."""
        self.workers.add(worker)
        for joined, _ in self.peers[PRIMARY].watchers:
            joined(worker)

    def kill(self, worker: int) -> None:
        """A worker dies, with what it was told and has not taken; what it told is taken first."""
        self._deliver_link((worker, PRIMARY))
        self._links.pop((PRIMARY, worker), None)
        self.workers.discard(worker)
        self.peers[worker] = QueuedPeers(self, worker)
        for _, left in self.peers[PRIMARY].watchers:
            left(worker)

    def send(self, sender: int, to: int, method: str, parameters: Any) -> None:
        encoded = msgspec.msgpack.encode(parameters)
        if sender != PRIMARY:
            self._put((sender, PRIMARY), (sender, to, method, encoded))
            return
        for worker in sorted(self.workers):
            if to in (worker, OTHERS):
                self._put((PRIMARY, worker), (sender, to, method, encoded))

    async def ask(self, sender: int, number: int, method: str, parameters: Any) -> Any:
        self._deliver_link((sender, number))
        answer = self.peers[number].methods[method](_copied(parameters))
        copied = _copied(await answer if isawaitable(answer) else answer)
        self._deliver_link((number, sender))
        return copied

    def deliver_one(self, random: Random) -> bool:
        """Let the next message of one link arrive; False if there is none."""
        busy = sorted(link for link, queue in self._links.items() if queue)
        if busy:
            self._deliver(random.choice(busy))
        return bool(busy)

    def deliver_all(self, random: Random | None = None) -> None:
        while self.deliver_one(random or Random(0)):
            pass

    def _deliver_link(self, link: tuple[int, int]) -> None:
        while self._links.get(link):
            self._deliver(link)

    def _put(self, link: tuple[int, int], message: tuple[int, int, str, bytes]) -> None:
        self._links.setdefault(link, deque()).append(message)

    def _deliver(self, link: tuple[int, int]) -> None:
        sender, to, method, encoded = self._links[link].popleft()
        here = link[1]
        if here == PRIMARY:
            for worker in sorted(self.workers - {sender}):
                if to in (worker, OTHERS):
                    self._put((PRIMARY, worker), (sender, to, method, encoded))
        if here != PRIMARY or to in (PRIMARY, OTHERS):
            self._call(here, method, encoded)

    def _call(self, number: int, method: str, encoded: bytes) -> None:
        called: Callable[[Any], Any] = self.peers[number].methods[method]
        called(msgspec.msgpack.decode(encoded))


def _copied(value: Any) -> Any:
    """As it arrives elsewhere."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value))
