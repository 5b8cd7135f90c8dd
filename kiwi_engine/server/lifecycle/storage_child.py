"""One storage process, from its start to its end (shell: event loop)."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import Final

import msgspec

from kiwi_engine.channel.frames import LENGTH
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.lifecycle.storage_link import ProcessLink, Receive

# What the kernel holds of requests is in doubt if the storage process dies, so it is little; it
# takes all replies at once, so that no thread of that process has to wait.
_REQUEST_SOCKET_BYTES: Final = 256 * 1024
_REPLY_SOCKET_BYTES: Final = 4 * 1024 * 1024


class StorageChild:
    """It recovers when it is started, and is `ready` then."""

    def __init__(self, process: asyncio.subprocess.Process, link: ProcessLink) -> None:
        self._process = process
        self.link = link
        # Why it was killed from here, or "".
        self.killed_because = ""

    @classmethod
    async def start(cls, settings: Settings, receive: Receive) -> StorageChild:
        """`OSError` where there is no process, memory or descriptor left."""
        parent, child = socket.socketpair()
        parent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST_SOCKET_BYTES)
        child.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REPLY_SOCKET_BYTES)
        parent.setblocking(False)
        with child:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "kiwi_engine.server.storage.process",
                str(child.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[child.fileno()],
            )
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(lambda: ProcessLink(receive), sock=parent)
        encoded = msgspec.msgpack.encode(settings)
        link.send_bytes(LENGTH.pack(len(encoded)) + encoded)
        return cls(process, link)

    @property
    def process_id(self) -> int:
        return self._process.pid

    async def is_ready(self) -> bool:
        """Wait until it has recovered; False if it has ended instead."""
        link = self.link
        await asyncio.wait({link.ready, link.closed}, return_when=asyncio.FIRST_COMPLETED)
        return not link.closed.done()

    async def is_lost(self) -> None:
        """Wait until its end of the channel is closed."""
        # Not awaited itself: whoever is cancelled would cancel it for all others.
        await asyncio.wait({self.link.closed})

    async def ended(self) -> int:
        """Wait for its end; the exit code, or the negative number of a signal."""
        await self.is_lost()
        return await self._process.wait()

    def finish(self) -> None:
        """Let it commit what it has and close."""
        self.link.finish()

    def kill(self, why: str) -> bool:
        """End it at once, if that was not tried before: what was acknowledged is in the log."""
        is_first = not self.killed_because
        self.killed_because = self.killed_because or why
        if is_first and self._process.returncode is None:
            self._process.kill()
        return is_first


def told_exit(code: int) -> str:
    """An exit code, or the signal that ended a process, for people."""
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
