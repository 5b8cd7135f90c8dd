"""One network process beside the primary, from its start to its end (shell: event loop)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from kiwi_engine.channel.doorway import doorway_pair
from kiwi_engine.server.lifecycle.child_process import ChildProcess, spawn
from kiwi_engine.server.network.peers.hub import Hub
from kiwi_engine.server.network.peers.link import PeerLink
from kiwi_engine.server.network.worker_start import WorkerStart, encode_start

# A worker ends at once when its link is gone, unless it is stopped by a signal.
_END_DEADLINE_S: Final = 1.0


class WorkerChild(ChildProcess):
    """`link` carries messages, `doorway` takes its ends of channels to storage processes."""

    def __init__(self, process: asyncio.subprocess.Process, doorway: socket.socket) -> None:
        super().__init__(process)
        self.doorway = doorway
        self.link: PeerLink
        # How many channels it was given.
        self.channels = 0
        # Set when its end of the link is closed.
        self._lost = asyncio.Event()

    @classmethod
    async def start(
        cls, hub: Hub, number: int, make_start: Callable[[], WorkerStart], counts_memory: int
    ) -> WorkerChild:
        """`make_start` tells the state of now, what changes afterwards comes over the link.

        `OSError` where there is no process, memory or descriptor left.
        """
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            near_link, far_link = socket.socketpair()
            ours.enter_context(near_link)
            theirs.enter_context(far_link)
            doorway, far_doorway = doorway_pair()
            ours.enter_context(doorway)
            theirs.enter_context(far_doorway)
            descriptors = [far_link.fileno(), far_doorway.fileno(), counts_memory]
            process = await spawn("kiwi_engine.server.network.process", descriptors)
            ours.pop_all()
        child = cls(process, doorway)
        near_link.setblocking(False)
        link = child.link = hub.make_link(number, child._lost.set, encode_start(make_start()))
        # Nobody waits for it before it has said something.
        link.is_silent = True
        await asyncio.get_running_loop().create_connection(lambda: link, sock=near_link)
        return child

    @property
    def is_lost(self) -> bool:
        """Whether its end of the link is closed: then it has ended, or is about to."""
        return self._lost.is_set()

    async def ended(self) -> int:
        """Wait for its end; the exit code, or the negative number of a signal."""
        await self._lost.wait()
        self.doorway.close()
        try:
            return await asyncio.wait_for(self._process.wait(), _END_DEADLINE_S)
        except TimeoutError:
            self.kill("its link was lost, and it did not end")
            return await self._process.wait()
