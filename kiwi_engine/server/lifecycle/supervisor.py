"""`kiwi-engine serve`: a process from its start to its exit code (glue).

    SIGTERM, SIGINT, SHUTDOWN -> orderly stop -> 0
    a second signal meanwhile -> end at once  -> 1       everything acknowledged is in the log

Exit codes: 0 stopped as asked, 1 could not start or failed, 2 wrong directory or settings,
3 directory in use, 4 damaged data.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from typing import Any, Final

from kiwi_engine.acl.user import User
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError
from kiwi_engine.server.lifecycle.runtime_manager import RuntimeManager
from kiwi_engine.server.lifecycle.storage_keeper import FAILED
from kiwi_engine.server.network.client_counts import ClientCounts
from kiwi_engine.server.network.descriptors import fit_to_descriptors
from kiwi_engine.server.network.event_loop import loop_factory, settle_memory
from kiwi_engine.server.network.peers.hub import Hub
from kiwi_engine.server.network.peers.peers import Alone
from kiwi_engine.server.network.runtime import NetworkRuntime
from kiwi_engine.server.network.storage_client import StorageClient

logger = logging.getLogger(__name__)

# Some send each signal twice: to a process and to its group. Those two are one.
_ONE_SIGNAL_NS: Final = 1_000_000_000


def serve(settings: Settings, config_file: str = "", users: Sequence[User] = ()) -> int:
    """Serve until told to stop; returns the exit code."""
    try:
        settings = fit_to_descriptors(settings)
    except ConfigError as error:
        logger.critical("cannot start: %s", error)
        return FAILED
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(Supervisor(settings, config_file, users).run())


class Supervisor:
    """Hears signals, and obeys them."""

    def __init__(self, settings: Settings, config_file: str, users: Sequence[User]) -> None:
        self._settings = settings
        self._config_file = config_file
        self._users = users
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        # When the first signal came.
        self._signalled_ns: int | None = None
        self._exit_code = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        config = LiveConfig(self._settings)
        count = self._settings.network_threads
        peers = Hub(count) if count > 1 else Alone()
        client = StorageClient(self._settings, loop, numbering=peers.numbering)
        network = NetworkRuntime(
            config,
            client,
            self._config_file,
            self._stop.set,
            self._users,
            peers,
            ClientCounts.of_primary(count) if count > 1 else ClientCounts.alone(),
        )
        manager = RuntimeManager(config, client, network, self._give_up)
        starting = loop.create_task(manager.start())
        if not await _is_done_before(self._stop, starting):
            # Nobody was served yet: a recovery that is cut off is simply made again.
            logger.info("told to stop while starting")
            await manager.kill("the server was stopped while it was starting")
            return 0
        code = starting.result()
        if code:
            return code
        settle_memory()
        await self._stop.wait()
        stopping = loop.create_task(manager.stop())
        if not await _is_done_before(self._hurry, stopping):
            await self._end_at_once(manager)
        stopping.result()
        return self._exit_code

    def _signalled(self) -> None:
        now_ns = monotonic_ns()
        if self._signalled_ns is None:
            self._signalled_ns = now_ns
        elif now_ns - self._signalled_ns >= _ONE_SIGNAL_NS:
            self._hurry.set()
        self._stop.set()

    def _give_up(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._stop.set()

    async def _end_at_once(self, manager: RuntimeManager) -> None:
        """Does not return: what is left to be done at the end of a program might wait."""
        logger.critical("told to stop once more: ending at once, what was acknowledged is kept")
        await manager.kill("the server was told to stop once more")
        logging.shutdown()
        os._exit(FAILED)


async def _is_done_before(event: asyncio.Event, work: asyncio.Task[Any]) -> bool:
    """Whether `work` is done before `event` is set; if not, it is cancelled."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if work.done():
        return True
    work.cancel()
    return False
