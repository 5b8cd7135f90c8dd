"""Starting, watching and stopping the storage runtime (shell: event loop).

In dual mode it is a child process. When it dies it is started again, after a pause that grows with
each death in a row; the connections stay, and what they ask meanwhile waits in the `StorageClient`.
A directory that cannot be opened is final: the server stops with the child's exit code.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from kiwi_engine.channel.frames import LENGTH
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.lifecycle.storage_link import InProcessLink, ProcessLink
from kiwi_engine.server.network.storage_client import StorageClient
from kiwi_engine.server.storage.process import EXIT_CODES

logger = logging.getLogger(__name__)

CLOSE_DEADLINE_S: Final = 30.0
_CHANNEL_SOCKET_BYTES: Final = 4 * 1024 * 1024
_BACKOFF_FIRST_S: Final = 0.05
_BACKOFF_MAX_S: Final = 5.0
# A storage runtime that lived this long does not count as dying in a row.
_STEADY_NS: Final = 1_000_000_000
_FINAL_EXIT_CODES: Final = frozenset({2, 3, 4})


class StorageKeeper(Protocol):
    """`start` returns 0 or the exit code of a storage runtime that could not open its directory."""

    async def start(self) -> int: ...

    async def stop(self) -> None: ...


class InProcessKeeper:
    """`runtime-mode single`."""

    def __init__(
        self, config: LiveConfig, client: StorageClient, process_id_changed: Callable[[int], None]
    ) -> None:
        self._config = config
        self._client = client
        self._process_id_changed = process_id_changed
        self._link: InProcessLink | None = None

    async def start(self) -> int:
        try:
            self._link = InProcessLink(self._config.settings, self._client.receive)
        except (KiwiError, OSError) as error:
            logger.critical("cannot open %s: %s", self._config.settings.dir, error)
            return EXIT_CODES.get(type(error), 1)
        self._process_id_changed(os.getpid())
        self._client.connect(self._link)
        return 0

    async def stop(self) -> None:
        if self._link is not None:
            self._link.close()


class ProcessKeeper:
    """`runtime-mode dual`. `given_up` gets the exit code when restarting makes no sense."""

    def __init__(
        self,
        config: LiveConfig,
        client: StorageClient,
        process_id_changed: Callable[[int | None], None],
        given_up: Callable[[int], None],
    ) -> None:
        self._config = config
        self._client = client
        self._process_id_changed = process_id_changed
        self._given_up = given_up
        self._process: asyncio.subprocess.Process
        self._link: ProcessLink
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> int:
        code = await self._launch()
        if code == 0:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())
        return code

    async def stop(self) -> None:
        """Let it commit and close; kill it only when it has long passed its deadline."""
        self._stopping = True
        if self._watcher is None:
            return
        self._link.finish()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_DEADLINE_S)
        except TimeoutError:
            logger.critical("the storage runtime did not close in %d s", CLOSE_DEADLINE_S)
            self._process.kill()
            await self._process.wait()
        await self._watcher

    async def _launch(self) -> int:
        """Start a process and wait until it has recovered; 0, or its exit code."""
        parent, child = socket.socketpair()
        for end in (parent, child):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHANNEL_SOCKET_BYTES)
        parent.setblocking(False)
        with child:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "kiwi_engine.server.storage.process",
                str(child.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[child.fileno()],
            )
        loop = asyncio.get_running_loop()
        _, self._link = await loop.create_connection(
            lambda: ProcessLink(self._client.receive), sock=parent
        )
        settings = msgspec.msgpack.encode(self._config.settings)
        self._link.send_bytes(LENGTH.pack(len(settings)) + settings)
        await asyncio.wait(
            {self._link.ready, self._link.closed}, return_when=asyncio.FIRST_COMPLETED
        )
        if self._link.closed.done():
            return await self._process.wait() or 1
        self._process_id_changed(self._process.pid)
        self._client.connect(self._link)
        return 0

    async def _watch(self) -> None:
        pause_s = 0.0
        while True:
            started_ns = monotonic_ns()
            await self._link.closed
            self._client.disconnect()
            self._process_id_changed(None)
            code = await self._process.wait()
            if self._stopping:
                return
            logger.error("the storage runtime ended with code %d; it is started again", code)
            if monotonic_ns() - started_ns > _STEADY_NS:
                pause_s = 0.0
            code = 1
            while code:
                await asyncio.sleep(pause_s)
                pause_s = min(max(pause_s * 2, _BACKOFF_FIRST_S), _BACKOFF_MAX_S)
                code = await self._launch_again()
                if code in _FINAL_EXIT_CODES:
                    self._given_up(code)
                    return

    async def _launch_again(self) -> int:
        """As `_launch`; does nothing, and is content, when the server has begun to stop."""
        if self._stopping:
            return 0
        try:
            return await self._launch()
        except OSError as error:
            # No process, memory or descriptor left: that may pass.
            logger.error("the storage runtime cannot be started: %s", error)
            return 1
