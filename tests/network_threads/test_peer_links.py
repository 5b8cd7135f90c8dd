"""Links between the primary and its workers, all in one event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kiwi_engine.channel.frames import LENGTH
from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.server.network.peers import link as link_module
from kiwi_engine.server.network.peers.hub import Hub
from kiwi_engine.server.network.peers.link import PeerLink
from kiwi_engine.server.network.peers.messages import Message, Tell, decode_messages
from kiwi_engine.server.network.peers.spoke import Spoke

COUNT = 3


class Star:
    """A primary with its workers; each knows a few methods, and what it was told is noted."""

    def __init__(self) -> None:
        self.hub = Hub(COUNT)
        self.links: dict[int, PeerLink] = {}
        self.spokes: dict[int, Spoke] = {}
        self.lost: list[str] = []
        # (process, what it was told).
        self.told: list[tuple[int, Any]] = []
        self.hub.register("say", lambda parameters: self.told.append((0, parameters)))
        self.hub.register("double", lambda number: 2 * number)

    async def join(self, number: int) -> None:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        spoke = Spoke(Numbering(number, COUNT), lambda: self.lost.append(f"primary of {number}"))
        spoke.register("say", lambda parameters: self.told.append((number, parameters)))
        spoke.register("add", lambda value: self._add(number, value))
        spoke.register("refuse", self._refuse)
        link = self.hub.make_link(number, lambda: self.lost.append(f"worker {number}"))
        await loop.create_connection(lambda: link, sock=near)
        await loop.create_connection(lambda: spoke.link, sock=far)
        self.links[number], self.spokes[number] = link, spoke

    async def _add(self, number: int, value: int) -> int:
        """Answered later, and out of turn."""
        await asyncio.sleep(0.01 / number)
        return number + value

    def _refuse(self, text: str) -> None:
        raise ReplyError(text)

    async def end(self) -> None:
        for link in (*self.links.values(), *(spoke.link for spoke in self.spokes.values())):
            link.close()
        await self.until(lambda: len(self.lost) == 2 * (COUNT - 1))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.001)


def play(story: Callable[[Star], Awaitable[None]]) -> None:
    async def run() -> None:
        star = Star()
        for number in range(1, COUNT):
            await star.join(number)
        try:
            await story(star)
        finally:
            await star.end()

    asyncio.run(run())


def test_what_is_told_reaches_whom_it_is_for() -> None:
    async def story(star: Star) -> None:
        star.hub.tell("say", "all others")
        star.hub.tell("say", "the second", to=2)
        star.spokes[1].tell("say", "all but me")
        star.spokes[2].tell("say", "the first", to=1)
        star.spokes[2].tell("say", "the primary", to=0)
        await star.until(lambda: len(star.told) == 7)
        assert sorted(star.told) == [
            *((0, "all but me"), (0, "the primary")),
            *((1, "all others"), (1, "the first")),
            *((2, "all but me"), (2, "all others"), (2, "the second")),
        ]

    play(story)


def test_questions_are_answered_by_name() -> None:
    async def story(star: Star) -> None:
        assert await star.hub.ask_workers("add", 10) == [11, 12]
        assert await star.hub.ask_worker(2, "add", 20) == 22
        assert await star.spokes[1].ask_primary("double", 21, 1) == 42
        assert await star.hub.ask_workers("refuse", "ERR no") == []
        with pytest.raises(ReplyError) as refused:
            await star.hub.ask_worker(1, "refuse", "ERR no")
        assert refused.value.text == "ERR no"
        with pytest.raises(KiwiError, match="unknown"):
            await star.spokes[1].ask_primary("unknown", None, 1)

    play(story)


def test_a_silent_one_is_waited_for_once_and_hears_all_the_same() -> None:
    async def story(star: Star) -> None:
        star.links[1].is_silent = True
        assert await star.hub.ask_workers("add", 10) == [12], "not waited for"
        star.hub.tell("say", "behind it", to=1)
        await star.until(lambda: star.told == [(1, "behind it")])
        await star.until(lambda: not star.links[1].is_silent)
        assert await star.hub.ask_workers("add", 10) == [11, 12]

    play(story)


def test_one_that_does_not_answer_becomes_silent() -> None:
    async def story(star: Star) -> None:
        link = star.links[1]
        with pytest.raises(KiwiError, match="in time"):
            await link.ask("add", 10, patience_s=0.0001)
        assert link.is_silent
        await star.until(lambda: not link.is_silent)

    play(story)


def test_the_order_is_that_of_sending_also_before_the_link_is_there() -> None:
    """`ask` sends when it is called, not when its answer is awaited."""

    async def run() -> None:
        hub = Hub(2)
        joined: list[int] = []

        def greet(number: int) -> None:
            joined.append(number)
            hub.tell("say", "by those who watch", to=number)

        hub.watch(greet, joined.remove)
        near, far = socket.socketpair()
        near.setblocking(False)
        link = hub.make_link(1, lambda: None, LENGTH.pack(3) + b"map")
        answer = link.ask("add", 1, 20)
        hub.tell("say", "last", to=1)
        assert joined == [1]
        await asyncio.get_running_loop().create_connection(lambda: link, sock=near)
        with far:
            assert far.recv(7) == b"\3\0\0\0map"
            data = far.recv(1 << 16)
            messages: list[Message] = decode_messages(data[LENGTH.size :])
            names = [
                each.parameters if isinstance(each, Tell) else type(each).__name__
                for each in messages
            ]
            assert names == ["by those who watch", "Ask", "last"]
        with pytest.raises(KiwiError, match="has ended"):
            await answer
        assert joined == [], "its end was told as well"
        with pytest.raises(KiwiError, match="has ended"):
            await link.ask("add", 1)

    asyncio.run(run())


def test_a_link_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "UNSENT_BYTES_MAX", 1 << 20)

    async def run() -> None:
        hub = Hub(2)
        lost = asyncio.Event()
        near, far = socket.socketpair()
        near.setblocking(False)
        link = hub.make_link(1, lost.set)
        await asyncio.get_running_loop().create_connection(lambda: link, sock=near)
        with far:
            for _ in range(100):
                hub.tell("say", b"x" * 100_000, to=1)
                await asyncio.sleep(0)
                if lost.is_set():
                    break
            await asyncio.wait_for(lost.wait(), 10)

    asyncio.run(run())


def test_a_large_message_is_no_reason_to_give_a_link_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be larger than all that may wait, and something may follow it."""
    monkeypatch.setattr(link_module, "UNSENT_BYTES_MAX", 1 << 20)
    large = b"x" * (5 << 20)

    async def story(star: Star) -> None:
        star.hub.tell("say", large, to=1)
        await asyncio.sleep(0)
        star.spokes[2].tell("say", large, to=1)
        star.hub.tell("say", "last", to=1)
        await star.until(lambda: len(star.told) == 3)
        assert [told for _, told in star.told if told != large] == ["last"]
        assert star.lost == []

    play(story)
