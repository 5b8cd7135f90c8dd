"""A network process beside the primary (shell: event loop).

    link to the primary:   -> the start, then messages between peers     (server.network.peers)
    doorway:               -> a channel to each storage process          (channel.doorway)

It does what the primary asks: `serve`, `ping`, `stop`. It never decides to end by itself, but it
does end at once when the primary is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any, Final

from kiwi_engine.acl.text import users_of_file
from kiwi_engine.channel.doorway import take_channel
from kiwi_engine.channel.numbering import PRIMARY
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.errors import ConfigError, KiwiError
from kiwi_engine.server.network.access_control import allows_all_channels
from kiwi_engine.server.network.client_counts import ClientCounts
from kiwi_engine.server.network.event_loop import settle_memory
from kiwi_engine.server.network.peers.spoke import Spoke
from kiwi_engine.server.network.runtime import NetworkRuntime
from kiwi_engine.server.network.storage_client import StorageClient
from kiwi_engine.server.network.storage_client.process_link import ProcessLink
from kiwi_engine.server.network.worker_start import WorkerStart

logger = logging.getLogger(__name__)

# What a worker and the primary ask each other about their lives.
HELLO: Final = "hello"
SERVE: Final = "serve"
PING: Final = "ping"
STOP: Final = "stop"
SHUTDOWN: Final = "shutdown"
CHANNEL_LOST: Final = "channel_lost"

PRIMARY_LOST: Final = 1
FAILED: Final = 1


class NetworkWorker:
    """Made and run on its event loop. `link` and `doorway` are connected sockets."""

    def __init__(
        self, start: WorkerStart, link: socket.socket, doorway: socket.socket, counts: ClientCounts
    ) -> None:
        self._link_socket = link
        self._doorway = doorway
        self._channels: asyncio.Queue[socket.socket] = asyncio.Queue()
        # How many there have been.
        self._channels_used = 0
        self._stopped = asyncio.Event()
        settings, numbering = start.settings, start.numbering
        self._spoke = spoke = Spoke(numbering, _primary_is_lost)
        loop = asyncio.get_running_loop()
        self._client = StorageClient(settings, loop, numbering=numbering)
        self._network = NetworkRuntime(
            LiveConfig(settings),
            self._client,
            start.config_file,
            lambda: spoke.tell(SHUTDOWN, None, to=PRIMARY),
            users_of_file(start.users, "the primary", allows_all_channels(settings)),
            spoke,
            counts,
        )
        facts = self._network.facts
        facts.run_id, facts.process_id = start.run_id, start.process_id
        facts.started_ns = start.started_ns
        spoke.register(SERVE, self._serve)
        spoke.register(PING, lambda _: None)
        spoke.register(STOP, self._stop)

    async def run(self) -> None:
        """Until it is told to stop, and has done so."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._doorway, self._take_channel)
        attending = loop.create_task(self._attend_storage())
        await loop.create_connection(lambda: self._spoke.link, sock=self._link_socket)
        self._spoke.tell(HELLO, self._spoke.numbering.number, to=PRIMARY)
        settle_memory()
        await self._stopped.wait()
        # The answer has left; the link ends with the process, so that its end means just that.
        attending.cancel()

    # ---- what the primary asks

    async def _serve(self, _: Any) -> None:
        """Take the addresses of the primary, which has them already, and accept clients."""
        try:
            await self._network.bind()
            await self._network.start()
        except (OSError, ConfigError) as error:
            raise KiwiError(f"it cannot listen: {error}") from error

    async def _stop(self, deadline_s: float) -> int:
        """Answer what was accepted; how many requests were not answered in time."""
        await self._network.stop(deadline_s)
        # Later than the answer.
        asyncio.get_running_loop().call_later(0, self._stopped.set)
        return self._client.unanswered

    # ---- channels

    def _take_channel(self) -> None:
        """The doorway can be read."""
        try:
            taken = take_channel(self._doorway)
        except BlockingIOError:
            return
        except ValueError as error:
            logger.error("the primary handed over what is no channel: %s", error)
            return
        if taken is None:
            # The primary is gone, which the link tells as well.
            asyncio.get_running_loop().remove_reader(self._doorway)
            return
        self._channels.put_nowait(taken[1])

    async def _attend_storage(self) -> None:
        """One storage process after the other, each from its recovery to its end."""
        try:
            while True:
                await self._use(await self._channels.get())
        except Exception:
            # Without a channel it would be of no use to anybody; another can take its place.
            logger.exception("the watch over the channel failed")
            logging.shutdown()
            os._exit(FAILED)

    async def _use(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        loop = asyncio.get_running_loop()
        client = self._client
        _, link = await loop.create_connection(lambda: ProcessLink(client.receive), sock=channel)
        if await link.is_ready():
            client.connect(link)
            await link.is_lost()
            client.disconnect()
        self._channels_used += 1
        spoke = self._spoke
        spoke.tell(CHANNEL_LOST, [spoke.numbering.number, self._channels_used], to=PRIMARY)


def _primary_is_lost() -> None:
    """Nothing may outlive the supervisor, and nothing has to be tidied up."""
    logger.warning("the supervisor is gone, and this process ends")
    logging.shutdown()
    os._exit(PRIMARY_LOST)
