"""One storage process, from its start to its end (shell: event loop)."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import msgspec

from kiwi_engine.channel.doorway import doorway_pair
from kiwi_engine.channel.frames import LENGTH
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.lifecycle.child_process import ChildProcess, spawn
from kiwi_engine.server.network.storage_client.process_link import (
    ProcessLink,
    Receive,
    channel_pair,
)


class StorageChild(ChildProcess):
    """It recovers when it is told the settings, and is `ready` then.

    `doorway` takes its ends of other network processes' channels; None if there are no others.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        link: ProcessLink,
        doorway: socket.socket | None = None,
    ) -> None:
        super().__init__(process)
        self.link = link
        self.doorway = doorway

    @classmethod
    async def start(cls, settings: Settings, receive: Receive) -> StorageChild:
        """One that recovers; `OSError` where there is no process, memory or descriptor left."""
        child = await cls.prepare(settings, receive)
        child.begin(settings)
        return child

    @classmethod
    async def prepare(cls, settings: Settings, receive: Receive) -> StorageChild:
        """One that loads its code, and waits for `begin`; `OSError` as for `start`.

        Of the settings it only takes those that cannot change.
        """
        with contextlib.ExitStack() as theirs:
            parent, child = channel_pair()
            inherited = [theirs.enter_context(child)]
            doorway = None
            if settings.network_threads > 1:
                doorway, far_doorway = doorway_pair()
                inherited.append(theirs.enter_context(far_doorway))
            descriptors = [each.fileno() for each in inherited]
            process = await spawn("kiwi_engine.server.storage.process", descriptors)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(lambda: ProcessLink(receive), sock=parent)
        return cls(process, link, doorway)

    def begin(self, settings: Settings) -> None:
        """Let it open its directory, and recover."""
        encoded = msgspec.msgpack.encode(settings)
        self.link.send_bytes(LENGTH.pack(len(encoded)) + encoded)

    @property
    def is_alive(self) -> bool:
        """Whether its channel has not ended."""
        return not self.link.closed.done()

    async def is_ready(self) -> bool:
        """Wait until it has recovered; False if it has ended instead."""
        return await self.link.is_ready()

    async def is_lost(self) -> None:
        """Wait until its end of the channel is closed."""
        await self.link.is_lost()

    async def ended(self) -> int:
        """Wait for its end; the exit code, or the negative number of a signal."""
        await self.is_lost()
        if self.doorway is not None:
            self.doorway.close()
        return await self._process.wait()

    def finish(self) -> None:
        """Let it commit what it has and close."""
        self.link.finish()
