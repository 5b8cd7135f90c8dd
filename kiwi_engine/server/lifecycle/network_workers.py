"""The network processes beside the primary, all together (glue).

They are started while the storage runtime recovers, take the addresses when the primary has them,
and are stopped together with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from kiwi_engine.acl.text import file_text
from kiwi_engine.channel.numbering import PRIMARY
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.server.lifecycle.channels import Channels
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.lifecycle.storage_child import StorageChild
from kiwi_engine.server.lifecycle.worker_child import WorkerChild
from kiwi_engine.server.lifecycle.worker_keeper import WorkerKeeper, worker_name
from kiwi_engine.server.network.peers.hub import Hub
from kiwi_engine.server.network.runtime import NetworkRuntime
from kiwi_engine.server.network.worker import CHANNEL_LOST, HELLO, SHUTDOWN
from kiwi_engine.server.network.worker_start import WorkerStart


class NetworkWorkers:
    """None with `network-threads 1`. `primary` is the network runtime of this process."""

    def __init__(self, config: LiveConfig, primary: NetworkRuntime, states: StateLog) -> None:
        self._config = config
        self._primary = primary
        self._states = states
        self._channels = Channels()
        self._primary_serves = asyncio.Event()
        count = primary.peers.numbering.count
        self._keepers = {number: self._keeper(number) for number in range(PRIMARY + 1, count)}
        primary.peers.register(HELLO, lambda number: self._keepers[number].greeted())
        primary.peers.register(CHANNEL_LOST, self._channel_lost)
        primary.peers.register(SHUTDOWN, lambda _: primary.request_shutdown())

    # ---- life

    def start(self) -> None:
        """Start all, which serve nobody yet."""
        for keeper in self._keepers.values():
            keeper.start()

    def serve(self) -> None:
        """The primary serves: let the workers do so, as soon as each can."""
        self._primary_serves.set()

    def storage_began(self, storage: StorageChild) -> None:
        """A storage process was started; it answers on its channels when it has recovered."""
        self._channels.storage_began(storage.doorway)
        for keeper in self._keepers.values():
            keeper.connect()

    async def stop(self, deadline_s: float) -> None:
        """Accept nothing more, let what was accepted be answered, and end; all at once."""
        await _all(keeper.stop(deadline_s) for keeper in self._keepers.values())

    async def kill(self, why: str) -> None:
        """End all without an orderly stop."""
        await _all(keeper.kill(why) for keeper in self._keepers.values())

    # ---- what is known of them

    def process_ids(self) -> list[int]:
        """Of those that are there."""
        found = (keeper.process_id for keeper in self._keepers.values())
        return [each for each in found if each is not None]

    def facts(self) -> dict[str, Any]:
        """For INFO; nothing is said of workers where there are none."""
        if not self._keepers:
            return {}
        lines = {f"network_worker_{number}": each.facts() for number, each in self._keepers.items()}
        return {"network_threads": len(self._keepers) + 1, **lines}

    # ---- one of them

    def _channel_lost(self, parameters: tuple[int, int]) -> None:
        """A worker has lost that one of its channels, counted from 1."""
        number, which = parameters
        self._keepers[number].channel_lost(which, lambda: self._channels.has_storage)

    def _keeper(self, number: int) -> WorkerKeeper:
        primary, channels = self._primary, self._channels
        hub, counts = primary.peers, primary.counts
        assert isinstance(hub, Hub), "whoever has workers knows them"

        async def launch(generation: int) -> WorkerChild:
            def make_start() -> WorkerStart:
                return self._start_of(number, generation)

            return await WorkerChild.start(hub, number, make_start, counts.descriptor)

        def connect(child: WorkerChild) -> None:
            child.channels += channels.connect(number, child.doorway)

        return WorkerKeeper(
            number, self._config, self._states, counts, launch, connect, self._primary_serves
        )

    def _start_of(self, number: int, generation: int) -> WorkerStart:
        """The state of the primary at this moment."""
        facts = self._primary.facts
        return WorkerStart(
            number=number,
            generation=generation,
            settings=self._config.settings,
            users=file_text(self._primary.acl.users),
            config_file=facts.config_file,
            run_id=facts.run_id,
            process_id=facts.process_id,
            started_ns=facts.started_ns,
        )


def worker_names(count: int) -> list[str]:
    """What the log calls the workers of `count` network processes."""
    return [worker_name(number) for number in range(PRIMARY + 1, count)]


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*works)
