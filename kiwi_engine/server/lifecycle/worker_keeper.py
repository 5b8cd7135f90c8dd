"""Keeps one worker running: starts, restarts and ends it (shell: event loop).

    starting -> (hello) -> (serve) -> running <-> degraded
       ^                                 |
       +-- recovering <-- it died -------+      after a pause that grows with each death in a row

Other workers, the primary and the storage runtime go on meanwhile; the clients of the one that died
lose their connections. It is tried for ever: the others serve, so there is no reason to give up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.lifecycle.child_process import told_exit
from kiwi_engine.server.lifecycle.process_state import what_it_does
from kiwi_engine.server.lifecycle.restarts import Backoff
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.lifecycle.worker_child import WorkerChild
from kiwi_engine.server.lifecycle.worker_health import WorkerHealth
from kiwi_engine.server.network.client_counts import ClientCounts
from kiwi_engine.server.network.worker import SERVE, STOP

logger = logging.getLogger(__name__)

# How long a process may take to say hello, or to take its addresses.
_START_DEADLINE_S: Final = 60.0
# Beyond the deadline of its clients, until the answer must be there and the process gone.
_STOP_GRACE_S: Final = 2.0
_KILL_DEADLINE_S: Final = 5.0
# By then the death of a storage process is known to all.
_LOSS_GRACE_S: Final = 1.0

# Starts a process of this generation; `OSError` if there can be none at the moment.
Launch = Callable[[int], Awaitable[WorkerChild]]


class WorkerKeeper:
    """Of the worker with this number.

    `connect` hands a channel to the storage process over to it, or raises `OSError`. It is asked to
    serve when `primary_serves`.
    """

    def __init__(
        self,
        number: int,
        config: LiveConfig,
        states: StateLog,
        counts: ClientCounts,
        launch: Launch,
        connect: Callable[[WorkerChild], None],
        primary_serves: asyncio.Event,
    ) -> None:
        self.number = number
        self._config = config
        self._states = states
        self._counts = counts
        self._launch = launch
        self._connect = connect
        self._primary_serves = primary_serves
        self._name = worker_name(number)
        # The process, while there is one.
        self._child: WorkerChild | None = None
        # Set when that one has said hello.
        self._greeted = asyncio.Event()
        # When it began to serve; None: it cannot have had clients.
        self._served_ns: int | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._backoff = Backoff()
        self._restarts = 0

    # ---- called by `NetworkWorkers`

    def start(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())
        self._watcher.add_done_callback(self._watch_ended)

    def greeted(self) -> None:
        """The process has said hello."""
        self._greeted.set()

    def connect(self) -> None:
        """There is another storage process."""
        child = self._child
        if child is None:
            return
        try:
            self._connect(child)
        except OSError as error:
            # Its successor, which comes after a pause, may have more luck.
            child.kill(f"no channel could be handed over to it: {error}")

    def channel_lost(self, which: int, storage_lives: Callable[[], bool]) -> None:
        """The process has lost that one of its channels; mostly because storage has died.

        If not, the storage runtime has closed it, because it was not read, and there will be no
        other for this process.
        """
        child = self._child

        def check() -> None:
            if child is not None and child.channels == which and storage_lives():
                child.kill("the storage runtime has closed its channel")

        asyncio.get_running_loop().call_later(_LOSS_GRACE_S, check)

    async def stop(self, deadline_s: float) -> None:
        """Let it answer what it has accepted, as long as that takes but no longer than told."""
        self._stopping.set()
        child, watcher = self._child, self._watcher
        if watcher is None:
            return
        if child is not None:
            await self._stop_child(child, deadline_s)
        await asyncio.wait({watcher}, timeout=_STOP_GRACE_S)
        if not watcher.done():
            await self.kill("it did not end")

    async def kill(self, why: str) -> None:
        self._stopping.set()
        if self._child is not None:
            self._child.kill(why)
        if self._watcher is not None:
            await asyncio.wait({self._watcher}, timeout=_KILL_DEADLINE_S)

    @property
    def process_id(self) -> int | None:
        """None while there is no process."""
        return None if self._child is None else self._child.process_id

    def facts(self) -> dict[str, Any]:
        """For INFO."""
        return {
            "pid": self.process_id or 0,
            "state": self._states.of(self._name).state,
            "restarts": self._restarts,
            "clients": self._counts.of(self.number),
        }

    # ---- its life

    async def _watch(self) -> None:
        while True:
            why = await self._live_once()
            if not self._stopping.is_set():
                self._states.become(self._name, "recovering", why)
                await self._pause()
            if self._stopping.is_set():
                self._states.become(self._name, "stopped", why)
                return
            self._restarts += 1

    async def _pause(self) -> None:
        """Between a death and the next start; the stop of the server ends it."""
        if self._served_ns is not None:
            self._backoff.died(monotonic_ns() - self._served_ns)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._backoff.next_pause_s())

    def _watch_ended(self, watcher: asyncio.Task[None]) -> None:
        """A bug in here must not go unseen; the others serve."""
        if not watcher.cancelled() and (error := watcher.exception()) is not None:
            logger.critical("the watch over %s failed", self._name, exc_info=error)
            if self._child is not None:
                self._child.kill("the watch over it failed")

    async def _live_once(self) -> str:
        """Start a process, and wait for its end; how that came."""
        self._greeted.clear()
        self._served_ns = None
        try:
            child = self._child = await self._launch(self._restarts)
        except OSError as error:
            # No process, memory or descriptor left: that may pass.
            return f"it cannot be started: {error}"
        if self._stopping.is_set():
            child.kill("the server stops")
        self.connect()
        attending = asyncio.get_running_loop().create_task(self._attend(child))
        code = await child.ended()
        attending.cancel()
        self._child = None
        self._counts.clear(self.number)
        because = f" ({child.killed_because})" if child.killed_because else ""
        return f"it ended: {told_exit(code)}{because}"

    async def _attend(self, child: WorkerChild) -> None:
        try:
            await asyncio.wait_for(self._greeted.wait(), _START_DEADLINE_S)
            await self._primary_serves.wait()
            self._served_ns = monotonic_ns()
            await child.link.ask(SERVE, None, _START_DEADLINE_S)
            self._states.become(self._name, "running")
            await WorkerHealth(self._config, child, self._judged).run()
        except TimeoutError:
            child.kill(f"it was not ready after {_START_DEADLINE_S:g} s")
        except KiwiError as error:
            if not child.is_lost:
                child.kill(str(error))
        except Exception:
            # A bug here must not leave a process that nobody looks after.
            logger.exception("looking after %s failed", self._name)
            child.kill("looking after it failed")

    def _judged(self, why: str) -> None:
        self._states.become(self._name, "degraded" if why else "running", why)

    async def _stop_child(self, child: WorkerChild, deadline_s: float) -> None:
        if self._served_ns is None:
            child.kill("the server stops")
            return
        try:
            unanswered = await child.link.ask(STOP, deadline_s, deadline_s + _STOP_GRACE_S)
        except KiwiError as error:
            if not child.is_lost:
                child.kill(f"told to stop: {error} ({what_it_does(child.process_id)})")
            return
        if unanswered:
            logger.warning("%s: %d requests were not answered in time", self._name, unanswered)


def worker_name(number: int) -> str:
    """What the log calls a worker, which calls itself so in its own lines."""
    return f"network-{number}"
