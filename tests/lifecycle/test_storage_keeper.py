"""Starting, restarting and ending storage processes, played by others."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.lifecycle import restarts, storage_keeper
from kiwi_engine.server.lifecycle.child_process import told_exit
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.lifecycle.storage_child import StorageChild
from kiwi_engine.server.lifecycle.storage_keeper import ProcessKeeper

SIGKILL_CODE = -9
# What becomes of a start: an exit code, None to serve, or the error of a start.
Outcome = int | None | OSError


class Child:
    """Stands for a `StorageChild`."""

    link = object()

    def __init__(self, number: int, outcome: int | None, *, recovers: bool, obeys: bool) -> None:
        self.process_id = number
        self._outcome = outcome
        self._obeys = obeys
        self._recovered = asyncio.Event()
        if not recovers:
            self._recovered.set()
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.finished = False
        self.killed_because = ""

    async def is_ready(self) -> bool:
        await self._recovered.wait()
        if self._outcome is not None:
            self.end.set_result(self._outcome)
        return not self.end.done()

    async def is_lost(self) -> None:
        await asyncio.wait({self.end})

    async def ended(self) -> int:
        await self.is_lost()
        return self.end.result()

    def finish(self) -> None:
        self.finished = True
        self._recovered.set()
        if self._obeys and not self.end.done():
            self.end.set_result(0)

    def kill(self, why: str) -> bool:
        is_first = not self.killed_because
        self.killed_because = why
        if not self.end.done():
            self.end.set_result(SIGKILL_CODE)
        return is_first


class World:
    """A keeper whose starts have the given outcomes, in turn."""

    def __init__(
        self, *outcomes: Outcome, recovers_for_ever: bool = False, **settings: Any
    ) -> None:
        self._outcomes = list(outcomes)
        self.recovers_for_ever = recovers_for_ever
        self.obeys = True
        # Cleared: processes are made, and do not come into being.
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.children: list[Child] = []
        self.connected: list[bool] = []
        self.process_ids: list[int | None] = []
        self.given_up: list[int] = []
        self.states = StateLog()
        self.keeper = ProcessKeeper(
            LiveConfig(Settings(**settings)),
            cast(Any, self),
            self.states,
            self.process_ids.append,
            self.given_up.append,
        )

    async def start_child(self, settings: Settings, receive: object) -> Child:
        await self.may_start.wait()
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        recovers = self.recovers_for_ever and bool(self.children)
        child = Child(len(self.children) + 1, outcome, recovers=recovers, obeys=self.obeys)
        self.children.append(child)
        return child

    # ---- as a StorageClient

    def receive(self) -> None:
        raise AssertionError("nobody answers here")

    def connect(self, link: object) -> None:
        self.connected.append(True)

    def disconnect(self) -> None:
        self.connected.append(False)

    def serves(self, process_id: int) -> bool:
        return self.process_ids[-1] == process_id

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.002)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "PAUSE_FIRST_S", 0.001)
    monkeypatch.setattr(restarts, "PAUSE_MAX_S", 0.004)
    monkeypatch.setattr(storage_keeper, "CLOSE_DEADLINE_S", 0.2)


def play(monkeypatch: pytest.MonkeyPatch, story: Callable[[], Coroutine[Any, Any, World]]) -> World:
    async def start(settings: Settings, receive: Any) -> Child:
        world = receive.__self__
        assert isinstance(world, World)
        return await world.start_child(settings, receive)

    monkeypatch.setattr(StorageChild, "start", start)
    return asyncio.run(story())


def test_one_that_cannot_start_gives_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        world = World(4)
        assert await world.keeper.start() == 4
        await world.keeper.stop()
        return world

    world = play(monkeypatch, story)
    assert world.states.of("storage").state == "stopped"
    assert world.given_up == [], "whoever started it knows"


def test_what_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        world = World(None, 1, OSError("no memory"), -6, None)
        assert await world.keeper.start() == 0
        world.children[0].kill("")
        await world.until(lambda: world.connected == [True, False, True])
        assert world.states.of("storage").state == "running"
        facts = world.keeper.facts()
        assert (facts["storage_restarts"], facts["storage_last_exit"]) == (4, "SIGABRT")
        await world.keeper.stop()
        return world

    world = play(monkeypatch, story)
    assert world.process_ids == [1, None, 4, None]
    assert world.children[-1].finished
    assert world.given_up == []


@pytest.mark.parametrize("code", [2, 3, 4])
def test_what_cannot_pass_is_final(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    async def story() -> World:
        world = World(None, code)
        await world.keeper.start()
        world.children[0].kill("")
        await world.until(lambda: bool(world.given_up))
        await world.keeper.stop()
        return world

    world = play(monkeypatch, story)
    assert world.given_up == [code]
    assert world.states.of("storage")[:2] == ("stopped", f"it ends with code {code}")


def test_without_restarts_the_first_death_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        world = World(None, storage_restart_limit=0)
        await world.keeper.start()
        world.children[0].kill("")
        await world.until(lambda: bool(world.given_up))
        return world

    world = play(monkeypatch, story)
    assert world.given_up == [1]
    assert len(world.children) == 1


def test_a_stop_does_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        monkeypatch.setattr(restarts, "PAUSE_FIRST_S", 60.0)
        monkeypatch.setattr(restarts, "PAUSE_MAX_S", 60.0)
        world = World(None, 1)
        await world.keeper.start()
        world.children[0].kill("")
        await world.until(lambda: "could not start" in world.states.of("storage").why)
        async with asyncio.timeout(10):
            await world.keeper.stop()
        return world

    world = play(monkeypatch, story)
    assert world.states.of("storage").state == "stopped"
    assert world.given_up == []


def test_a_stop_ends_a_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        world = World(None, None, recovers_for_ever=True)
        await world.keeper.start()
        world.children[0].kill("")
        await world.until(lambda: len(world.children) == 2)
        await world.keeper.stop()
        return world

    world = play(monkeypatch, story)
    assert world.children[1].finished
    assert world.children[1].killed_because == ""


def test_a_stop_reaches_one_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        world = World(None, None, recovers_for_ever=True)
        await world.keeper.start()
        world.may_start.clear()
        world.children[0].kill("")
        await world.until(lambda: world.keeper.facts()["storage_restarts"] == 1)
        stopping = asyncio.ensure_future(world.keeper.stop())
        await asyncio.sleep(0.01)
        world.may_start.set()
        await stopping
        return world

    world = play(monkeypatch, story)
    assert world.children[1].finished
    assert world.children[1].killed_because == ""


def test_who_lived_long_is_started_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        monkeypatch.setattr(restarts, "PAUSE_FIRST_S", 60.0)
        monkeypatch.setattr(restarts, "PAUSE_MAX_S", 60.0)
        monkeypatch.setattr(restarts, "STEADY_NS", 0)
        world = World(None, None, None)
        await world.keeper.start()
        for child in (1, 2):
            await asyncio.sleep(0.001)
            world.children[-1].kill("")
            await world.until(functools.partial(world.serves, child + 1))
        await world.keeper.stop()
        return world

    assert len(play(monkeypatch, story).children) == 3


def test_a_bug_in_the_watch_ends_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ZeroDivisionError("a bug")

    async def story() -> World:
        world = World(None)
        await world.keeper.start()
        monkeypatch.setattr(world, "disconnect", fails)
        world.children[0].kill("")
        await world.until(lambda: bool(world.given_up))
        await world.keeper.stop()
        return world

    assert play(monkeypatch, story).given_up == [1]
    assert "ZeroDivisionError: a bug" in caplog.text


def test_one_that_does_not_close_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> World:
        world = World(None)
        world.obeys = False
        await world.keeper.start()
        await world.keeper.stop()
        return world

    world = play(monkeypatch, story)
    assert world.children[0].finished
    assert world.children[0].killed_because.startswith("it did not close")
    assert world.states.of("storage")[:2] == ("stopped", "SIGKILL")


def test_one_that_hangs_is_killed_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> World:
        world = World(None, None)
        await world.keeper.start()
        for _ in range(3):
            world.keeper.end_hung("it is silent")
        await world.until(lambda: len(world.children) == 2)
        await world.keeper.stop()
        return world

    world = play(monkeypatch, story)
    assert caplog.text.count("the storage runtime is killed: it is silent") == 1
    history = " ".join(world.states.history_facts().values())
    assert "it died: SIGKILL (it is silent)" in history


def test_ends_are_told_in_words() -> None:
    assert [told_exit(code) for code in (0, 4, -9, -200)] == [
        "code 0",
        "code 4",
        "SIGKILL",
        "signal 200",
    ]
