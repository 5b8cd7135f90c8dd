"""One channel, read: what a network process has sent, cut into requests (shell)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import ReceivedRequest, decode_request


class Incoming:
    """Owned by the executing thread."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._buffer = FrameBuffer()

    def first_frame(self) -> bytes:
        """The body of the first frame, which is no request; `EOFError` if there is none."""
        while True:
            if not self.receive():
                raise EOFError("the supervisor went away before it sent the settings")
            for body in self._buffer.frames():
                return bytes(body)

    def receive(self, flags: int = 0) -> bool:
        """Receive what there is room for; False at the end of the channel.

        `BlockingIOError` if nothing is there: at once with MSG_DONTWAIT, else after the receive
        timeout of the channel.
        """
        with self._buffer.writable() as view:
            try:
                count = self.channel.recv_into(view, 0, flags)
            except ConnectionError:
                return False
        self._buffer.wrote(count)
        return count > 0

    def requests(self) -> Iterator[ReceivedRequest]:
        """Those that have been received as a whole."""
        for body in self._buffer.frames():
            # A copy, since runs are decoded from it one by one.
            yield decode_request(bytes(body))
