"""`kiwi-engine serve`: both runtimes from start to orderly stop (glue).

    bind the port -> start storage (recovers) -> accept clients
    SIGTERM, SIGINT, SHUTDOWN -> stop accepting -> answer what was accepted -> close storage -> 0

Exit codes: 0 stopped as asked, 1 could not start or failed, 2 wrong directory or settings,
3 directory in use, 4 damaged data.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import Sequence
from typing import Final

from kiwi_engine.acl.user import User
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.lifecycle.storage_keeper import (
    InProcessKeeper,
    ProcessKeeper,
    StorageKeeper,
)
from kiwi_engine.server.network.runtime import NetworkRuntime
from kiwi_engine.server.network.storage_client import StorageClient

logger = logging.getLogger(__name__)

_ANSWER_DEADLINE_S: Final = 10.0
# Descriptors that are not clients: listeners, files of the storage runtime in single mode, logs.
_DESCRIPTORS_BESIDE_CLIENTS: Final = 1100
# What a request allocates is freed by reference counting; cyclic garbage is rare here.
_GC_THRESHOLDS: Final = (50_000, 50, 100)


def serve(settings: Settings, config_file: str = "", users: Sequence[User] = ()) -> int:
    """Serve until told to stop; returns the exit code."""
    _raise_descriptor_limit(settings.maxclients + _DESCRIPTORS_BESIDE_CLIENTS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(Supervisor(settings, config_file, users).run())


class Supervisor:
    """Owns the two runtimes of one server."""

    def __init__(self, settings: Settings, config_file: str, users: Sequence[User]) -> None:
        self._config = LiveConfig(settings)
        self._config_file = config_file
        self._users = users
        self._stop = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        client = StorageClient(self._config.settings, loop)
        network = NetworkRuntime(
            self._config, client, self._config_file, self._stop.set, self._users
        )
        try:
            await network.bind()
        except OSError as error:
            logger.critical("cannot listen: %s", error)
            return 1
        keeper = self._keeper(client, network)
        code = await keeper.start()
        if code:
            return code
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        await network.start()
        await self._stop.wait()
        logger.info("stopping: no new connections, answering what was accepted")
        await network.stop(_ANSWER_DEADLINE_S)
        await keeper.stop()
        logger.info("stopped")
        return self._exit_code

    def _keeper(self, client: StorageClient, network: NetworkRuntime) -> StorageKeeper:
        def process_id_changed(process_id: int | None) -> None:
            network.facts.storage_process_id = process_id

        if self._config.settings.runtime_mode == "single":
            return InProcessKeeper(self._config, client, process_id_changed)
        return ProcessKeeper(self._config, client, process_id_changed, self._give_up)

    def _give_up(self, exit_code: int) -> None:
        logger.critical("the storage runtime cannot be started again (code %d)", exit_code)
        self._exit_code = exit_code
        self._stop.set()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it exists; plain asyncio serves as well, only slower."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _raise_descriptor_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
        if possible < wanted:
            logger.warning("only %d file descriptors: fewer clients than maxclients fit", possible)
