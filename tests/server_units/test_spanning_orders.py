"""Commands that concern all network processes: two of these in one event loop, without sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.server.network.local import HANDLERS
from kiwi_engine.server.network.local.contribution import QUERY as CONTRIBUTION
from kiwi_engine.server.network.local.contribution import contribution
from kiwi_engine.server.network.local.shares import SHARES
from kiwi_engine.server.network.pauses import Pauses
from kiwi_engine.server.network.peers.hub import Hub
from kiwi_engine.server.network.peers.link import PeerLink
from kiwi_engine.server.network.peers.peers import Peers
from kiwi_engine.server.network.peers.spoke import Spoke
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.spanning.newcomers import tell_newcomers
from kiwi_engine.server.network.spanning.reports import gather_reports
from kiwi_engine.server.network.spanning.spanning import Spanning
from tests.server.local.fakes import FakeServer


class NetworkProcess(FakeServer):
    """One network process, with the number of `peers`, and its only client."""

    def __init__(self, peers: Peers) -> None:
        super().__init__()
        self.peers = peers
        self.config.subscribe(lambda old, new: self.latency.configure(new))
        self.spanning = Spanning(self, peers, HANDLERS, SHARES, lambda: 1.0)
        gather_reports(peers, self.acl, self.latency)
        peers.register(CONTRIBUTION, lambda _: contribution(self))
        self.own_pauses = Pauses(lambda: None)
        tell_newcomers(peers, self.own_pauses)
        number = peers.numbering.number
        self.client = self.connect(f"127.0.0.1:{5000 + number}")
        self._sessions = {peers.numbering.first: self.client}
        self.client.id = peers.numbering.first

    async def ask(self, *words: str, client: Session | None = None) -> bytes:
        assert self.spanning is not None
        name = f"{words[0]}|{words[1]}".lower() if words[0] != "INFO" else "info"
        encoded = [word.encode() for word in words]
        return (await self.spanning.answer(client or self.client, name, encoded)).encoded


class World:
    """A primary and one worker. `link` is the primary's end of theirs."""

    def __init__(self) -> None:
        self.hub = Hub(2)
        self.lost: list[str] = []
        self.spoke = Spoke(Numbering(1, 2), lambda: self.lost.append("primary"))
        self.primary = NetworkProcess(self.hub)
        self.worker = NetworkProcess(self.spoke)
        self.link: PeerLink

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        self.link = self.hub.make_link(1, lambda: self.lost.append("worker"))
        await loop.create_connection(lambda: self.link, sock=near)
        await loop.create_connection(lambda: self.spoke.link, sock=far)

    async def end(self) -> None:
        self.link.close()
        self.spoke.link.close()
        await until(lambda: len(self.lost) == 2)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)


def play(story: Callable[[World], Awaitable[None]], *, connected: bool = True) -> None:
    async def run() -> None:
        world = World()
        if connected:
            await world.connect()
        try:
            await story(world)
        finally:
            await world.end()

    asyncio.run(run())


def test_what_the_primary_refuses_reaches_nobody() -> None:
    async def story(world: World) -> None:
        for process in (world.primary, world.worker):
            refused = await process.ask("CONFIG", "SET", "databases", "3")
            assert refused.endswith(b"can't set immutable config\r\n")
        assert await world.worker.ask("CONFIG", "SET", "hz", "17") == b"+OK\r\n"
        assert [each.config.get("hz") for each in (world.primary, world.worker)] == ["17", "17"]

    play(story)


def test_changes_have_one_order() -> None:
    async def story(world: World) -> None:
        changes = [
            process.ask("CONFIG", "SET", "hz", str(turn))
            for turn in range(10, 40)
            for process in (world.primary, world.worker)
        ]
        await asyncio.gather(*changes)
        assert world.primary.config.get("hz") == world.worker.config.get("hz")

    play(story)


def test_a_silent_worker_is_left_out_and_gets_what_has_changed() -> None:
    async def story(world: World) -> None:
        world.link.is_silent = True
        lines = await world.primary.ask("CLIENT", "LIST")
        assert (lines.count(b"id="), b"id=1 " in lines) == (1, True)
        world.link.is_silent = True
        changing = world.primary.ask("CONFIG", "SET", "hz", "33")
        assert await changing == b"+OK\r\n"
        assert world.worker.config.get("hz") == "10", "it is not waited for"
        await until(lambda: not world.link.is_silent)
        assert world.worker.config.get("hz") == "33"
        assert (await world.primary.ask("CLIENT", "LIST")).count(b"id=") == 2

    play(story)


def test_a_worker_that_cannot_follow_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        world.worker.config.apply_with(lambda new, names: ("hz", "the reason"))
        assert await world.primary.ask("CONFIG", "SET", "hz", "18") == b"+OK\r\n"

    play(story)
    assert "could not do config|set" in caplog.text
    assert "the reason" in caplog.text


def test_what_was_told_before_is_seen() -> None:
    async def story(world: World) -> None:
        for process in (world.worker, world.primary):
            await process.ask("CONFIG", "SET", "slowlog-log-slower-than", "0")
            process.run(process.client, "ECHO", "x")
            # The worker's has not even left when the primary is asked.
            assert b"ECHO" in await world.primary.ask("SLOWLOG", "GET", "1")
            await process.ask("SLOWLOG", "RESET")
        world.worker.run(world.worker.client, "AUTH", "nobody", "x")
        assert b"nobody" in await world.primary.ask("ACL", "LOG")
        assert len(world.worker.acl.log.newest(9)) == 0

    play(story)


def test_who_kills_itself_gets_its_reply() -> None:
    async def story(world: World) -> None:
        killing = world.worker.ask("CLIENT", "KILL", "ID", "2", "SKIPME", "no")
        assert await killing == b":1\r\n"
        assert world.worker.client.close_after_reply
        assert not world.primary.client.close_after_reply

    play(story)


def test_counters_are_reset_everywhere_and_storage_is_told_once() -> None:
    async def story(world: World) -> None:
        for process in (world.primary, world.worker):
            process.statistics.commands_processed = 5
        await world.worker.ask("CONFIG", "RESETSTAT")
        assert world.primary.statistics.commands_processed == 0
        assert world.worker.statistics.commands_processed == 0
        assert world.primary.queries == ["reset network sections", "reset_statistics"]
        assert world.worker.queries == ["reset network sections"]

    play(story)


def test_a_worker_that_joins_is_told_of_a_pause() -> None:
    async def story(world: World) -> None:
        world.primary.own_pauses.begin(60_000, holds_all=False)
        await world.connect()
        await until(lambda: world.worker.own_pauses.is_on)
        left = world.worker.own_pauses.left()
        assert left is not None
        assert 50_000 < left[0] <= 60_000
        assert left[1] is False
        for process in (world.primary, world.worker):
            process.own_pauses.end()

    play(story, connected=False)


def test_a_worker_that_joins_without_a_pause_is_told_nothing() -> None:
    async def story(world: World) -> None:
        await world.connect()
        assert await world.primary.ask("CLIENT", "LIST")
        assert not world.worker.own_pauses.is_on

    play(story, connected=False)
