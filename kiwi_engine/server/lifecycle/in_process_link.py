"""The storage runtime on the network runtime's event loop, for `runtime-mode single` (shell)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from kiwi_engine.channel.frames import Request
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.storage_client.process_link import Receive
from kiwi_engine.server.storage.runtime import Answer, StorageRuntime

_TICK_S: Final = 0.005


class InProcessLink:
    """The storage runtime on this event loop (`runtime-mode single`); the log has its thread.

    It takes every frame as a whole, and at once.
    """

    is_full = False
    is_cut_off = False

    def __init__(self, settings: Settings, receive: Receive) -> None:
        self.on_drained: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._runtime = StorageRuntime(settings, self._send)
        self._timer = self._loop.call_later(_TICK_S, self._tick)
        self._is_finished = False

    def send(self, request: Request) -> None:
        if not self._is_finished:
            self._runtime.handle(request)

    def finish(self) -> None:
        """No further requests: from now on the runtime is left to `close`."""
        self._is_finished = True
        self._timer.cancel()

    def close(self) -> None:
        """Commit, sync and close; blocks until it is done, on any thread."""
        self._runtime.close()

    def _send(self, replies: list[tuple[int, bytes]], answers: list[Answer]) -> None:
        """From the loop's thread or the log thread; the order of calls is that of replies."""
        self._loop.call_soon_threadsafe(self._receive, replies, answers)

    def _tick(self) -> None:
        # First, so that a failing tick is not the last one.
        self._timer = self._loop.call_later(_TICK_S, self._tick)
        self._runtime.tick()
