"""The network runtime's end of a channel to a storage process (shell: event loop)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import Request, decode_reply, encode_frame

# Called with (replies as (run id, RESP bytes), answers to queries) on the event loop.
Receive = Callable[[list[tuple[int, bytes]], list[Any]], None]

# What the kernel holds of requests is in doubt if the storage process dies, so it is little; it
# takes all replies at once, so that no thread of that process has to wait.
_REQUEST_SOCKET_BYTES: Final = 256 * 1024
_REPLY_SOCKET_BYTES: Final = 4 * 1024 * 1024


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a channel: that of a network process, and that of the storage process."""
    network, storage = socket.socketpair()
    network.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST_SOCKET_BYTES)
    storage.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REPLY_SOCKET_BYTES)
    network.setblocking(False)
    return network, storage


class ProcessLink(asyncio.BufferedProtocol):
    """Frames over a socket to the storage process.

    `ready` is set by its first frame, `closed` when the channel has ended, for whatever reason.

    The transport buffers nothing but the end of a frame that the kernel did not take at once: so a
    frame that is cut off there was never received as a whole, and not executed.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.on_drained: Callable[[], None] = lambda: None
        self.is_full = False
        self.is_cut_off = False
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    async def is_ready(self) -> bool:
        """Wait until the storage runtime has recovered; False if the channel has ended instead."""
        await asyncio.wait({self.ready, self.closed}, return_when=asyncio.FIRST_COMPLETED)
        return not self.closed.done()

    async def is_lost(self) -> None:
        """Wait until the channel has ended."""
        # Not awaited itself: whoever is cancelled would cancel it for all others.
        await asyncio.wait({self.closed})

    def send(self, request: Request) -> None:
        self._transport.write(encode_frame(request))
        if self._transport.is_closing():
            # The other end is closed already.
            self.is_full = self.is_cut_off = True

    def send_bytes(self, frame: bytes) -> None:
        """For the settings, which come before all requests."""
        self._transport.write(frame)

    def finish(self) -> None:
        """No further requests: the storage runtime commits what it has and closes."""
        self.is_full = True
        if not self._transport.is_closing():
            self._transport.write_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        """The kernel has not taken the whole frame."""
        self.is_full = self.is_cut_off = True

    def resume_writing(self) -> None:
        self.is_full = self.is_cut_off = False
        self.on_drained()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.writable()

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer.wrote(nbytes)
        for body in self._buffer.frames():
            message = decode_reply(body)
            if not self.ready.done():
                self.ready.set_result(None)
            self._receive(message.replies, message.answers)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_full = True
        if not self.closed.done():
            self.closed.set_result(None)
