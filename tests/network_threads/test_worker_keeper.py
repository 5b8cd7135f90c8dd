"""Starting, restarting and ending workers, played by others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.lifecycle import restarts, worker_keeper
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.lifecycle.worker_child import WorkerChild
from kiwi_engine.server.lifecycle.worker_keeper import WorkerKeeper
from kiwi_engine.server.network.client_counts import ClientCounts

SIGKILL_CODE = -9
NUMBER = 1


class Child:
    """Stands for a `WorkerChild`, and for its link."""

    def __init__(self, world: World, generation: int) -> None:
        self._world = world
        self.generation = generation
        self.process_id = 1000 + generation
        self.link = self
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.killed_because = ""
        self.channels = 0
        self.asked: list[str] = []

    @property
    def is_lost(self) -> bool:
        return self.end.done()

    async def ended(self) -> int:
        await asyncio.wait({self.end})
        return self.end.result()

    def kill(self, why: str) -> bool:
        is_first = not self.killed_because
        self.killed_because = self.killed_because or why
        self.die(SIGKILL_CODE)
        return is_first

    def die(self, code: int) -> None:
        if not self.end.done():
            self.end.set_result(code)

    async def ask(self, method: str, parameters: Any, patience_s: float = 1.0) -> Any:
        self.asked.append(method)
        return await self._world.answer(self, method, patience_s)


class World:
    """A keeper of one worker. `answers` tells what it does not do: "hang", or an error."""

    def __init__(self, **settings: Any) -> None:
        self.settings = {"network_threads": 3, "runtime_health_interval": 10, **settings}
        self.answers: dict[str, str] = {}
        self.start_errors: list[OSError] = []
        self.greets = True
        self.children: list[Child] = []
        self.connected: list[int] = []
        self.connect_errors: list[OSError] = []
        self.primary_serves = asyncio.Event()
        self.primary_serves.set()
        self.states = StateLog(["network-1"])
        self.counts = ClientCounts.of_primary(3)
        self.keeper = WorkerKeeper(
            NUMBER,
            LiveConfig(Settings(**self.settings)),
            self.states,
            self.counts,
            self.launch,
            self.connect,
            self.primary_serves,
        )

    async def launch(self, generation: int) -> WorkerChild:
        if self.start_errors:
            raise self.start_errors.pop()
        child = Child(self, generation)
        self.children.append(child)
        if self.greets:
            asyncio.get_running_loop().call_later(0.001, self.keeper.greeted)
        return cast(WorkerChild, child)

    def connect(self, child: WorkerChild) -> None:
        if self.connect_errors:
            raise self.connect_errors.pop()
        self.connected.append(child.process_id)
        child.channels += 1

    async def answer(self, child: Child, method: str, patience_s: float) -> Any:
        answer = self.answers.get(method, "")
        if answer == "hang":
            await asyncio.wait({child.end}, timeout=patience_s)
            raise KiwiError("no answer")
        if answer:
            raise KiwiError(answer)
        if method == "stop":
            child.die(0)
            return 0
        return None

    @property
    def state(self) -> str:
        return self.states.of("network-1").state

    @property
    def history(self) -> str:
        return "\n".join(self.states.history_facts().values())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.002)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "PAUSE_FIRST_S", 0.001)
    monkeypatch.setattr(restarts, "PAUSE_MAX_S", 0.004)
    monkeypatch.setattr(worker_keeper, "_STOP_GRACE_S", 0.1)
    monkeypatch.setattr(worker_keeper, "_LOSS_GRACE_S", 0.01)


def play(story: Callable[[World], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        world = World(**settings)
        world.keeper.start()
        await story(world)
        await world.keeper.kill("the test is over")

    asyncio.run(run())


def test_it_serves_once_the_primary_does() -> None:
    async def story(world: World) -> None:
        world.primary_serves.clear()
        await world.until(lambda: bool(world.children))
        await asyncio.sleep(0.02)
        (child,) = world.children
        assert (world.state, child.asked) == ("starting", [])
        world.primary_serves.set()
        await world.until(lambda: world.state == "running")
        assert child.asked[0] == "serve"
        assert world.connected == [child.process_id]
        world.counts.note(0)
        facts = {"pid": child.process_id, "state": "running", "restarts": 0, "clients": 0}
        assert world.keeper.facts() == facts

    play(story)


def test_each_that_dies_has_a_successor_of_the_next_generation() -> None:
    async def story(world: World) -> None:
        for generation in range(4):
            await world.until(lambda: world.state == "running")
            assert world.children[-1].generation == generation
            world.children[-1].die(SIGKILL_CODE)
            await world.until(lambda: world.children[-1].end.done() is False)
        assert world.connected[:4] == [1000, 1001, 1002, 1003]
        assert "network-1 recovering: it ended: SIGKILL" in world.history

    play(story)


def test_its_clients_are_gone_with_it() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        # As the process itself would.
        theirs = world.counts._words
        theirs[2 * NUMBER] = 17
        assert world.keeper.facts()["clients"] == 17
        world.children[0].die(1)
        await world.until(lambda: len(world.children) == 2)
        assert world.counts.total() == 0

    play(story)


def test_what_keeps_it_from_starting_is_tried_again() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        world.start_errors = [OSError(11, "no processes"), OSError(24, "no descriptors")]
        world.children[0].die(SIGKILL_CODE)
        await world.until(lambda: world.state == "running" and len(world.children) == 2)
        assert "no descriptors" in world.history
        assert world.children[1].generation == 3

    play(story)


@pytest.mark.parametrize("problem", ["it cannot listen: taken", "hang"])
def test_one_that_does_not_get_to_serve_is_replaced(
    problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_keeper, "_START_DEADLINE_S", 0.02)

    async def story(world: World) -> None:
        world.answers["serve"] = problem
        await world.until(lambda: len(world.children) == 3)
        assert world.state == "recovering"
        del world.answers["serve"]
        await world.until(lambda: world.state == "running")

    play(story)


def test_one_that_dies_before_it_serves_is_not_said_to_be_killed() -> None:
    async def story(world: World) -> None:
        world.answers["serve"] = "hang"
        await world.until(lambda: bool(world.children) and "serve" in world.children[0].asked)
        world.children[0].die(1)
        await world.until(lambda: len(world.children) == 2)
        assert world.children[0].killed_because == ""
        assert "network-1 recovering: it ended: code 1" in world.history

    play(story)


def test_one_that_says_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_keeper, "_START_DEADLINE_S", 0.02)

    async def story(world: World) -> None:
        world.greets = False
        await world.until(lambda: len(world.children) == 2)
        assert "was not ready" in world.children[0].killed_because
        world.greets = True
        await world.until(lambda: world.state == "running")

    play(story)


def test_one_that_hangs_is_degraded_then_killed() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        world.answers["ping"] = "hang"
        await world.until(lambda: world.state == "degraded")
        await world.until(lambda: bool(world.children[0].killed_because))
        assert "had not answered for" in world.children[0].killed_because
        del world.answers["ping"]
        await world.until(lambda: world.state == "running")

    play(story, network_hang_timeout=200)


def test_one_that_answers_again_is_well() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        world.answers["ping"] = "it is late"
        # Too short a silence is not one.
        await world.until(lambda: world.children[0].asked.count("ping") > 3)
        del world.answers["ping"]
        await world.until(lambda: world.state == "running")
        assert world.children[0].killed_because == ""

    play(story, network_hang_timeout=0)


def test_a_new_storage_process_gets_a_channel() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        world.keeper.connect()
        assert world.connected == [1000, 1000]
        world.connect_errors = [OSError(11, "the doorway is full")]
        world.keeper.connect()
        await world.until(lambda: world.connected == [1000, 1000, 1001])
        assert "the doorway is full" in world.history

    play(story)


def test_one_whose_channel_was_closed_is_replaced() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        world.keeper.channel_lost(1, lambda: False)
        await asyncio.sleep(0.05)
        world.keeper.connect()
        # It tells late of the one before.
        world.keeper.channel_lost(1, lambda: True)
        await asyncio.sleep(0.05)
        assert len(world.children) == 1
        world.keeper.channel_lost(2, lambda: True)
        await world.until(lambda: len(world.children) == 2)
        assert "has closed its channel" in world.children[0].killed_because

    play(story)


def test_it_is_stopped_and_not_started_again() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        await world.keeper.stop(1)
        assert world.state == "stopped"
        assert [child.killed_because for child in world.children] == [""]
        assert world.children[0].asked[-1] == "stop"

    play(story)


def test_one_that_does_not_stop_is_killed() -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.state == "running")
        world.answers["stop"] = "hang"
        await world.keeper.stop(0.05)
        assert "told to stop" in world.children[0].killed_because
        assert world.state == "stopped"

    play(story)


def test_one_that_serves_nobody_yet_is_not_waited_for() -> None:
    async def story(world: World) -> None:
        world.greets = False
        await world.until(lambda: bool(world.children))
        await world.keeper.stop(10)
        assert world.children[0].asked == []
        assert world.children[0].killed_because == "the server stops"

    play(story)


def test_a_stop_ends_the_pause_before_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "PAUSE_FIRST_S", 60)
    monkeypatch.setattr(restarts, "PAUSE_MAX_S", 60)

    async def story(world: World) -> None:
        # The first successor comes at once.
        await world.until(lambda: world.state == "running")
        world.children[0].die(1)
        await world.until(lambda: len(world.children) == 2 and world.state == "running")
        world.children[1].die(1)
        await world.until(lambda: world.state == "recovering")
        await asyncio.wait_for(world.keeper.stop(10), 10)
        assert world.state == "stopped"
        assert len(world.children) == 2

    play(story)
