"""Keeps a storage process running: starts, restarts and ends it (shell: event loop).

When it dies it is started again, after a pause that grows with each death in a row, and as often
as `storage-restart-limit` allows; the connections stay, and what they ask meanwhile waits in the
`StorageClient`. A directory that cannot be opened is final, and so is a spent budget: the server
stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.server.lifecycle.child_process import told_exit
from kiwi_engine.server.lifecycle.process_state import what_it_does
from kiwi_engine.server.lifecycle.restarts import Backoff, RestartBudget
from kiwi_engine.server.lifecycle.spare import Spare
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.lifecycle.storage_child import StorageChild
from kiwi_engine.server.network.storage_client import StorageClient

logger = logging.getLogger(__name__)

CLOSE_DEADLINE_S: Final = 30.0
# How long a killed process is waited for: one that waits for the disk ends only after that.
_KILL_DEADLINE_S: Final = 5.0
_NS_A_MS: Final = 1_000_000
FAILED: Final = 1
# Wrong directory or settings, directory in use, damaged data: another start changes nothing.
_FINAL_EXIT_CODES: Final = frozenset({2, 3, 4})


class StorageKeeper(Protocol):
    """Whoever runs the storage runtime: in another process, or in this one."""

    async def start(self) -> int:
        """0 when it serves, or the exit code of one that could not open its directory."""

    async def stop(self) -> None:
        """Let it commit what it has and close."""

    async def kill(self, why: str) -> None:
        """End it without an orderly stop; everything acknowledged is in the log."""

    def end_hung(self, why: str) -> None:
        """End one that does not answer, so that another can take its place."""

    def facts(self) -> dict[str, Any]:
        """For INFO."""


class ProcessKeeper:
    """`runtime-mode dual`.

    `process_id_changed` gets the id of the process that serves, None while there is none,
    `given_up` the server's exit code when nothing is left to try, `began` each process that was
    started and is about to recover.
    """

    def __init__(
        self,
        config: LiveConfig,
        client: StorageClient,
        states: StateLog,
        process_id_changed: Callable[[int | None], None],
        given_up: Callable[[int], None],
        began: Callable[[StorageChild], None] = lambda child: None,
    ) -> None:
        self._config = config
        self._client = client
        self._states = states
        self._process_id_changed = process_id_changed
        self._given_up = given_up
        self._began = began
        # The newest process, from its start on, also while it recovers or when it has died.
        self._child: StorageChild | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._backoff = Backoff()
        self._budget = RestartBudget()
        self._restarts = 0
        self._last_exit = ""
        self._lost_ns = monotonic_ns()
        self._recovery_ns = 0
        self._spare = Spare(config, client.receive)

    async def start(self) -> int:
        code = await self._launch()
        if code == 0:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())
            self._watcher.add_done_callback(self._watch_ended)
        else:
            self._states.become("storage", "stopped", told_exit(code))
        return code

    async def stop(self) -> None:
        """Kill it only when it has long passed its deadline."""
        self._stopping.set()
        await self._spare.end()
        if self._watcher is None:
            return
        if self._child is not None:
            self._child.finish()
        await asyncio.wait({self._watcher}, timeout=CLOSE_DEADLINE_S)
        if not self._watcher.done() and self._child is not None:
            why = what_it_does(self._child.process_id)
            logger.critical(
                "the storage runtime did not close in %d s and is killed (%s)",
                CLOSE_DEADLINE_S,
                why,
            )
            self._child.kill(f"it did not close ({why})")
            await asyncio.wait({self._watcher}, timeout=_KILL_DEADLINE_S)
            if not self._watcher.done():
                logger.critical("it cannot be killed at the moment, and holds its directory")

    async def kill(self, why: str) -> None:
        self._stopping.set()
        await self._spare.end()
        child = self._child
        if child is None:
            return
        child.kill(why)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.ended(), _KILL_DEADLINE_S)

    def end_hung(self, why: str) -> None:
        if self._child is not None and self._child.kill(why):
            logger.critical("the storage runtime is killed: %s", why)

    def facts(self) -> dict[str, Any]:
        return {
            "storage_restarts": self._restarts,
            "storage_restarts_left": self._budget.left(monotonic_ns(), *self._limits),
            "storage_last_exit": self._last_exit,
            "storage_last_recovery_ms": self._recovery_ns // _NS_A_MS,
            **self._spare.facts(),
        }

    @property
    def _limits(self) -> tuple[int, int]:
        """What the budget wants to know."""
        settings = self._config.settings
        return settings.storage_restart_limit, settings.storage_restart_window * _NS_A_MS

    async def _launch(self) -> int:
        """Start a process and wait until it has recovered; 0, or its exit code."""
        settings = self._config.settings
        child = self._spare.take()
        if child is not None:
            child.begin(settings)
        else:
            child = await StorageChild.start(settings, self._client.receive)
        self._child = child
        if self._stopping.is_set():
            child.finish()
        self._began(child)
        if not await child.is_ready():
            return await child.ended() or FAILED
        self._recovery_ns = monotonic_ns() - self._lost_ns
        self._states.become("storage", "running")
        self._process_id_changed(child.process_id)
        self._client.connect(child.link)
        self._spare.prepare_later()
        return 0

    async def _watch(self) -> None:
        """Until it has stopped, or nothing is left to try."""
        while True:
            ready_ns = monotonic_ns()
            child = self._child
            assert child is not None, "watched after its start"
            await child.is_lost()
            self._lost_ns = monotonic_ns()
            self._client.disconnect()
            self._process_id_changed(None)
            code = await child.ended()
            self._last_exit = told_exit(code)
            if self._stopping.is_set():
                self._states.become("storage", "stopped", self._last_exit)
                return
            because = f" ({child.killed_because})" if child.killed_because else ""
            self._states.become("storage", "recovering", f"it died: {self._last_exit}{because}")
            self._backoff.died(self._lost_ns - ready_ns)
            if not await self._start_again():
                return

    def _watch_ended(self, watcher: asyncio.Task[None]) -> None:
        """A bug in here must not leave a server that nobody looks after."""
        if not watcher.cancelled() and (error := watcher.exception()) is not None:
            logger.critical("the watch over the storage runtime failed", exc_info=error)
            self._given_up(FAILED)

    async def _start_again(self) -> bool:
        """Try until a process serves; False if there is none, and will be none."""
        while True:
            if not self._budget.spend(monotonic_ns(), *self._limits):
                self._give_up(FAILED, "storage-restart-limit is reached")
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._backoff.next_pause_s())
            if self._stopping.is_set():
                self._states.become("storage", "stopped", self._last_exit)
                return False
            self._restarts += 1
            code = await self._launch_again()
            if code == 0:
                return True
            self._last_exit = told_exit(code)
            if code in _FINAL_EXIT_CODES:
                self._give_up(code, f"it ends with {self._last_exit}")
                return False
            self._states.become("storage", "recovering", f"it could not start: {self._last_exit}")

    async def _launch_again(self) -> int:
        try:
            return await self._launch()
        except OSError as error:
            # No process, memory or descriptor left: that may pass.
            logger.error("the storage runtime cannot be started: %s", error)
            return FAILED

    def _give_up(self, code: int, why: str) -> None:
        self._states.become("storage", "stopped", why)
        logger.critical("the storage runtime is not started again: %s", why)
        self._given_up(code)
