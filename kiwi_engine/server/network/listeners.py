"""Where clients connect: addresses that are taken first, and listened on later (shell)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from kiwi_engine.config.settings import Settings

logger = logging.getLogger(__name__)


class Listeners:
    """`make_connection` makes the protocol of each client."""

    def __init__(self, make_connection: Callable[[], asyncio.Protocol]) -> None:
        self._make_connection = make_connection
        self._servers: list[asyncio.Server] = []

    async def bind(self, settings: Settings) -> None:
        """Take all addresses without listening yet; `OSError` if one of them is taken."""
        loop = asyncio.get_running_loop()
        for address in settings.bind:
            server = await loop.create_server(
                self._make_connection,
                address,
                settings.port,
                backlog=settings.tcp_backlog,
                start_serving=False,
            )
            self._servers.append(server)

    async def start(self) -> None:
        """From now on clients can connect."""
        for server in self._servers:
            await server.start_serving()
            for handle in server.sockets:
                logger.info("ready to accept connections on %s:%d", *handle.getsockname()[:2])

    def close(self) -> None:
        """Nobody can connect any more; connections stay."""
        for server in self._servers:
            server.close()


def tune(handle: socket.socket, keepalive_s: int) -> None:
    """No delay for replies; ask silent peers whether they are there, as Redis does."""
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive_s:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 3))
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
