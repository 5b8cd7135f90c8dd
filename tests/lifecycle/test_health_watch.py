"""The watch obeys the heartbeat, whatever the one who is asked does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from kiwi_engine.clock import sleep
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ChannelClosedError, KiwiError
from kiwi_engine.server.lifecycle.health_watch import HealthWatch
from kiwi_engine.server.lifecycle.state_log import StateLog

INTERVAL_S = 0.02
Answer = Callable[[], Awaitable[bool]]


class Asked:
    """Stands for the `StorageClient`."""

    def __init__(self) -> None:
        self.is_connected = True
        self.questions = 0
        self.answer: Answer = self.well

    async def query(self, method: str, parameters: dict[str, Any]) -> bool:
        assert (method, parameters) == ("ping", {})
        self.questions += 1
        return await self.answer()

    async def well(self) -> bool:
        return True

    async def never(self) -> bool:
        await asyncio.sleep(60)
        return True

    async def gives_up(self) -> bool:
        raise KiwiError("the storage runtime did not answer in time")

    async def gives_up_on_one_that_died(self) -> bool:
        self.is_connected = False
        return await self.gives_up()

    async def is_gone(self) -> bool:
        self.is_connected = False
        raise ChannelClosedError("the storage runtime stopped")


class World:
    """A watch over somebody who is in this very process."""

    def __init__(self, hang_timeout_ms: int = 0) -> None:
        self.asked = Asked()
        self.states = StateLog()
        self.states.become("storage", "running")
        self.states.become("network", "running")
        self.ended: list[str] = []
        settings = Settings(
            runtime_health_interval=int(INTERVAL_S * 1000), storage_hang_timeout=hang_timeout_ms
        )
        self.watch = HealthWatch(
            LiveConfig(settings), cast(Any, self.asked), self.states, os.getpid, self.ended.append
        )

    @property
    def state(self) -> str:
        return self.states.of("storage").state

    @property
    def history(self) -> list[str]:
        """The newest first, without their times."""
        return [line.partition(" ")[2] for line in self.states.history_facts().values()]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - nobody announces a state
                await asyncio.sleep(INTERVAL_S / 4)


def play(world: World, story: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        watching = asyncio.ensure_future(world.watch.run())
        await story(world)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    asyncio.run(run())


def test_silence_is_degraded_and_an_answer_ends_it() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.watch.heartbeat.answered >= 2)
        assert world.state == "running"
        world.asked.answer = world.asked.gives_up
        await world.until(lambda: world.state == "degraded")
        world.asked.answer = world.asked.well
        await world.until(lambda: world.state == "running")

    world = World()
    play(world, story)
    assert world.ended == []
    assert world.watch.heartbeat.late == 1


def test_a_client_that_gives_up_at_once_is_not_asked_without_a_pause() -> None:
    async def story(world: World) -> None:
        world.asked.answer = world.asked.gives_up
        await asyncio.sleep(10 * INTERVAL_S)

    world = World()
    play(world, story)
    assert 1 <= world.asked.questions <= 15
    assert world.state == "degraded"


def test_who_hangs_is_ended() -> None:
    async def story(world: World) -> None:
        world.asked.answer = world.asked.never
        await world.until(lambda: bool(world.ended))
        assert world.state == "degraded"

    world = World(hang_timeout_ms=60)
    play(world, story)
    assert world.ended[0].startswith("it had not answered for ")


def test_who_is_gone_is_somebody_elses_business() -> None:
    async def story(world: World) -> None:
        world.asked.answer = world.asked.is_gone
        await world.until(lambda: not world.asked.is_connected)
        await asyncio.sleep(5 * INTERVAL_S)
        questions = world.asked.questions
        await asyncio.sleep(5 * INTERVAL_S)
        assert world.asked.questions == questions
        world.asked.answer, world.asked.is_connected = world.asked.well, True
        await world.until(lambda: world.asked.questions > questions)

    world = World(hang_timeout_ms=40)
    play(world, story)
    assert (world.state, world.ended) == ("running", [])


def test_one_that_died_meanwhile_is_not_judged() -> None:
    async def story(world: World) -> None:
        world.asked.answer = world.asked.gives_up_on_one_that_died
        await world.until(lambda: not world.asked.is_connected)
        await asyncio.sleep(5 * INTERVAL_S)

    world = World(hang_timeout_ms=40)
    play(world, story)
    assert (world.state, world.ended) == ("running", [])


def test_a_loop_that_was_held_up_blames_itself() -> None:
    async def story(world: World) -> None:
        world.asked.answer = world.asked.never
        await world.until(lambda: world.asked.questions == 1)
        sleep(0.5)
        await world.until(lambda: world.states.of("network").state == "degraded")
        await world.until(lambda: world.states.of("network").state == "running")

    world = World(hang_timeout_ms=400)
    play(world, story)
    assert world.ended == []
    assert any(line.startswith("network degraded: its event loop") for line in world.history)


def test_a_bug_is_logged_and_the_watch_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> bool:
        raise ZeroDivisionError("a bug")

    async def story(world: World) -> None:
        world.asked.answer = fails
        await world.until(lambda: world.asked.questions > 2)
        world.asked.answer = world.asked.well
        await world.until(lambda: world.watch.heartbeat.answered > 0)

    with caplog.at_level(logging.ERROR):
        play(World(), story)
    assert "a heartbeat failed" in caplog.text
