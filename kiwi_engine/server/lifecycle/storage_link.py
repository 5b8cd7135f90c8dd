"""The two ways to a storage runtime: another process, or this one (shell: event loop)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import Request, decode_reply, encode_frame
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.storage.runtime import Answer, StorageRuntime

# Called with (replies as (run id, RESP bytes), answers to queries) on the event loop.
Receive = Callable[[list[tuple[int, bytes]], list[Any]], None]

_TICK_S: Final = 0.005


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
