"""Keeps the storage runtime in this process, on its event loop (shell: event loop).

For `runtime-mode single`. It cannot die alone, so nothing is ever started again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.lifecycle.in_process_link import InProcessLink
from kiwi_engine.server.lifecycle.state_log import StateLog
from kiwi_engine.server.network.storage_client import StorageClient
from kiwi_engine.server.storage.process import EXIT_CODES

logger = logging.getLogger(__name__)


class InProcessKeeper:
    """A `StorageKeeper`."""

    def __init__(
        self,
        config: LiveConfig,
        client: StorageClient,
        states: StateLog,
        process_id_changed: Callable[[int | None], None],
    ) -> None:
        self._config = config
        self._client = client
        self._states = states
        self._process_id_changed = process_id_changed
        self._link: InProcessLink | None = None
        self._recovery_ns = 0

    async def start(self) -> int:
        started_ns = monotonic_ns()
        try:
            self._link = InProcessLink(self._config.settings, self._client.receive)
        except (KiwiError, OSError) as error:
            logger.critical("cannot open %s: %s", self._config.settings.dir, error)
            self._states.become("storage", "stopped", str(error))
            return EXIT_CODES.get(type(error), 1)
        self._recovery_ns = monotonic_ns() - started_ns
        self._states.become("storage", "running")
        self._process_id_changed(os.getpid())
        self._client.connect(self._link)
        return 0

    async def stop(self) -> None:
        """In a thread: signals are still heard while it drains."""
        if self._link is not None:
            self._link.finish()
            await asyncio.to_thread(self._link.close)
            self._states.become("storage", "stopped")

    async def kill(self, why: str) -> None:
        """Nothing to do: the end of this process is its end."""

    def end_hung(self, why: str) -> None:
        """Whoever asks runs on the same thread, so it never comes to this."""

    def facts(self) -> dict[str, Any]:
        return {"storage_last_recovery_ms": self._recovery_ns // 1_000_000}
