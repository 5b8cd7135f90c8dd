"""Both runtimes of one server: start order, health, stop order (glue).

    bind the addresses -> start storage (recovers) -> accept clients -> watch the health
    stop accepting -> answer what was accepted -> close storage

Workers, if there are any, are started while storage recovers, accept clients once the primary does,
and stop while it stops.

What is known about their life is in INFO, section `runtime`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.server.lifecycle.health_watch import HealthWatch
from kiwi_engine.server.lifecycle.in_process_keeper import InProcessKeeper
from kiwi_engine.server.lifecycle.network_workers import NetworkWorkers, worker_names
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.lifecycle.storage_keeper import (
    CLOSE_DEADLINE_S,
    FAILED,
    ProcessKeeper,
    StorageKeeper,
)
from kiwi_engine.server.network.runtime import NetworkRuntime
from kiwi_engine.server.network.storage_client import StorageClient

logger = logging.getLogger(__name__)

ANSWER_DEADLINE_S: Final = 10.0
# Without a storage runtime nothing more is answered; what is on its way to the clients may leave.
GIVEN_UP_DEADLINE_S: Final = 1.0
_NS_A_S: Final = 1_000_000_000


class RuntimeManager:
    """`given_up` gets the server's exit code when there will be no storage runtime any more."""

    def __init__(
        self,
        config: LiveConfig,
        client: StorageClient,
        network: NetworkRuntime,
        given_up: Callable[[int], None],
    ) -> None:
        self._network = network
        self._client = client
        self._states = StateLog(worker_names(network.peers.numbering.count))
        self._workers = NetworkWorkers(config, network, self._states)
        facts = network.facts

        def process_id_changed(process_id: int | None) -> None:
            facts.storage_process_id = process_id

        self._keeper: StorageKeeper
        if config.settings.runtime_mode == "single":
            self._keeper = InProcessKeeper(config, client, self._states, process_id_changed)
        else:
            self._keeper = ProcessKeeper(
                config,
                client,
                self._states,
                process_id_changed,
                given_up,
                self._workers.storage_began,
            )
        self._health = HealthWatch(
            config, client, self._states, lambda: facts.storage_process_id, self._keeper.end_hung
        )
        self._watching: asyncio.Task[None] | None = None
        network.lifecycle = self

    async def start(self) -> int:
        """0 when clients are served, or the exit code."""
        try:
            await self._network.bind()
        except OSError as error:
            logger.critical("cannot listen: %s", error)
            return FAILED
        self._workers.start()
        code = await self._keeper.start()
        if code:
            await self._network.stop(0)
            await self._workers.kill("the server cannot start")
            return code
        await self._network.start()
        self._workers.serve()
        self._states.become("network", "running")
        self._watching = asyncio.get_running_loop().create_task(self._health.run())
        return 0

    async def stop(self) -> None:
        """Answer what was accepted, then close; each has its deadline."""
        started_ns = monotonic_ns()
        is_served = self._states.of("storage").state != "stopped"
        deadline_s = ANSWER_DEADLINE_S if is_served else GIVEN_UP_DEADLINE_S
        unanswered = self._client.unanswered
        logger.info(
            "stopping: no new connections; for %d requests an answer is awaited, for %g s at most",
            unanswered,
            deadline_s,
        )
        await asyncio.gather(self._workers.stop(deadline_s), self._network.stop(deadline_s))
        if self._client.unanswered:
            logger.warning("%d requests were not answered in time", self._client.unanswered)
        self._states.become("network", "stopped")
        if self._watching is not None:
            self._watching.cancel()
        logger.info("storage commits and closes, in %g s at most", CLOSE_DEADLINE_S)
        answered_ns = monotonic_ns()
        await self._keeper.stop()
        logger.info(
            "stopped: clients took %.1f s, storage %.1f s",
            (answered_ns - started_ns) / _NS_A_S,
            (monotonic_ns() - answered_ns) / _NS_A_S,
        )

    async def kill(self, why: str) -> None:
        """End all at once."""
        await self._network.stop(0)
        await asyncio.gather(self._workers.kill(why), self._keeper.kill(why))

    def facts(self) -> dict[str, Any]:
        """The `runtime` section of INFO, without what the storage runtime tells itself."""
        return {
            **self._states.facts("network"),
            **self._states.facts("storage"),
            **self._keeper.facts(),
            **self._health.facts(),
            **self._workers.facts(),
            **self._states.history_facts(),
        }

    def worker_process_ids(self) -> list[int]:
        """Of the network processes beside this one, as far as they are there."""
        return self._workers.process_ids()

    def storage_problem(self) -> str:
        """Why the storage runtime does not answer at present; empty while it does."""
        standing = self._states.of("storage")
        return "" if standing.state == "running" else f"{standing.state}: {standing.why}"

    def reset_statistics(self) -> None:
        """Count heartbeats anew; states, restarts and history stay."""
        self._health.heartbeat.reset()
