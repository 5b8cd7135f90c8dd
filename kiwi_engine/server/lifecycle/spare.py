"""A storage process in reserve: it has loaded its code, and opened nothing (shell: event loop).

Loading takes about half of the time in which a dead storage process is replaced. The reserve takes
no part in anything; should it die, there is none until the next one is prepared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.lifecycle.storage_child import StorageChild
from kiwi_engine.server.network.storage_client.process_link import Receive

logger = logging.getLogger(__name__)

# A server that has just started, or whose storage runtime has, is busy with what waited for that.
DELAY_S: Final = 0.5


class Spare:
    """Holds one or none, as `storage-spare` says."""

    def __init__(self, config: LiveConfig, receive: Receive) -> None:
        self._config = config
        self._receive = receive
        self._child: StorageChild | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self._tasks: set[asyncio.Task[None]] = set()
        config.subscribe(self._settings_changed)

    def prepare_later(self) -> None:
        """Have one in a while, if none is there or on its way."""
        if self._timer is None and self._child is None and not self._is_over:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(DELAY_S, lambda: self._run(self._prepare()))

    def take(self) -> StorageChild | None:
        """The reserve, which is none any more; None if there is none that lives."""
        child, self._child = self._child, None
        return child if child is not None and child.is_alive else None

    async def end(self) -> None:
        """Have none from now on."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._tasks)
        await self._discard()

    def facts(self) -> dict[str, Any]:
        """For INFO; 0: there is none."""
        child = self._child
        is_there = child is not None and child.is_alive
        return {"storage_spare_process_id": child.process_id if child and is_there else 0}

    async def _prepare(self) -> None:
        self._timer = None
        settings = self._config.settings
        if self._child is not None or not settings.storage_spare:
            return
        try:
            self._child = await StorageChild.prepare(settings, self._receive)
        except OSError as error:
            logger.warning("there is no spare storage process: %s", error)
        if not self._config.settings.storage_spare:
            # That was said meanwhile.
            await self._discard()

    async def _discard(self) -> None:
        child = self.take()
        if child is not None:
            child.kill("it is not needed")
            await child.ended()

    def _settings_changed(self, old: Settings, new: Settings) -> None:
        if new.storage_spare and not old.storage_spare:
            self.prepare_later()
        elif old.storage_spare and not new.storage_spare:
            self._run(self._discard())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
