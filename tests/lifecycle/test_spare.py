"""A storage process in reserve: taken when one dies, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.lifecycle import spare as module
from kiwi_engine.server.lifecycle.spare import Spare
from kiwi_engine.server.lifecycle.storage_child import StorageChild
from tests.conftest import QUICK_START
from tests.support.servers import ServerProcess, kiwi, wait_until


class Child:
    """Stands for a `StorageChild` that waits for its settings."""

    def __init__(self, process_id: int) -> None:
        self.process_id = process_id
        self.is_alive = True
        self.killed_because = ""

    def kill(self, why: str) -> None:
        self.killed_because, self.is_alive = why, False

    async def ended(self) -> int:
        assert not self.is_alive
        return -signal.SIGKILL


class World:
    """A reserve whose processes are made as `outcomes` say: True, or an error."""

    def __init__(self, *outcomes: bool, storage_spare: bool = True) -> None:
        self.outcomes = list(outcomes)
        self.children: list[Child] = []
        self.config = LiveConfig(Settings(storage_spare=storage_spare))
        self.spare = Spare(self.config, cast(Any, self))

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0.001)

    @property
    def shown(self) -> int:
        return int(self.spare.facts()["storage_spare_process_id"])


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepare(settings: Settings, receive: Any) -> Child:
        await asyncio.sleep(0)
        if not receive.outcomes.pop(0):
            raise OSError("no process left")
        child = Child(100 + len(receive.children))
        receive.children.append(child)
        return child

    monkeypatch.setattr(StorageChild, "prepare", prepare)
    monkeypatch.setattr(module, "DELAY_S", 0)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 20))


def test_it_is_prepared_once_and_taken_once() -> None:
    async def story() -> None:
        world = World(True, True)
        assert (world.spare.take(), world.shown) == (None, 0)
        world.spare.prepare_later()
        world.spare.prepare_later()
        await world.settle()
        world.spare.prepare_later()
        await world.settle()
        assert [child.process_id for child in world.children] == [100]
        assert world.shown == 100
        assert world.spare.take() is cast(Any, world.children[0])
        assert (world.spare.take(), world.shown) == (None, 0)
        world.spare.prepare_later()
        await world.settle()
        assert world.shown == 101
        await world.spare.end()
        assert world.children[1].killed_because
        assert not world.children[0].killed_because, "it is not the reserve any more"

    run(story)


def test_one_that_has_died_is_not_taken() -> None:
    async def story() -> None:
        world = World(True)
        world.spare.prepare_later()
        await world.settle()
        world.children[0].is_alive = False
        assert (world.shown, world.spare.take()) == (0, None)
        await world.spare.end()

    run(story)


def test_one_that_cannot_be_made_is_done_without() -> None:
    async def story() -> None:
        world = World(False, True)
        world.spare.prepare_later()
        await world.settle()
        assert world.spare.take() is None
        world.spare.prepare_later()
        await world.settle()
        assert world.shown == 100
        await world.spare.end()
        world.spare.prepare_later()
        await world.settle()
        assert world.shown == 0, "there is to be none any more"

    run(story)


def test_the_setting_is_obeyed_while_it_changes() -> None:
    async def story() -> None:
        world = World(True, True, storage_spare=False)
        world.spare.prepare_later()
        await world.settle()
        assert world.children == []
        world.config.set([("storage-spare", "yes")])
        await world.settle()
        assert world.shown == 100
        world.config.set([("storage-spare", "no")])
        await world.settle()
        assert world.children[0].killed_because
        world.config.set([("storage-spare", "yes")])
        await asyncio.sleep(0)
        world.config.set([("storage-spare", "no")])
        await world.settle()
        assert world.shown == 0, "said while it was being made"
        await world.spare.end()
        assert all(child.killed_because for child in world.children)

    run(story)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with kiwi(tmp_path / "data", QUICK_START) as running:
        yield running


def spare_of(server: ServerProcess) -> int:
    with server.client() as client:
        return int(client.info("runtime")["storage_spare_process_id"])


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_takes_the_place_of_one_that_dies(server: ServerProcess) -> None:
    wait_until(lambda: spare_of(server) > 0, "a reserve")
    spare = spare_of(server)
    with server.client(60) as client:
        assert client.command("SET", "key", "value") == b"OK"
        os.kill(int(client.info("server")["storage_process_id"]), signal.SIGKILL)
        assert client.command("GET", "key") == b"value"
        assert int(client.info("server")["storage_process_id"]) == spare
        wait_until(lambda: spare_of(server) not in (0, spare), "another reserve")
        second = spare_of(server)
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: spare_of(server) == 0, "the end of the reserve")
        assert client.command("GET", "key") == b"value"
        os.kill(spare, signal.SIGKILL)
        assert client.command("GET", "key") == b"value", "replaced without a reserve"
        wait_until(lambda: spare_of(server) > 0, "a reserve")
        last = spare_of(server)
    server.stop()
    assert not is_running(last)
