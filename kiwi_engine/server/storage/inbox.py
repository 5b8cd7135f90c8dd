"""What the network runtime has sent and the storage runtime has not handled yet (shell).

Requests are handled in the order of their arrival, but for urgent queries: those are answered as
soon as they are seen, and whoever waits for the next request sees all that has arrived. What can
wait in here is bounded by the credits of the channel.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable

from kiwi_engine.channel.frame_buffer import FrameBuffer
from kiwi_engine.channel.frames import Query, ReceivedRequest, decode_request


class Inbox:
    """Owned by the executing thread. `on_urgent` answers queries at once."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._buffer = FrameBuffer()
        self._requests: deque[ReceivedRequest] = deque()
        self._has_ended = False
        self.on_urgent: Callable[[list[Query]], None] = lambda queries: None

    def first_frame(self) -> bytes:
        """The body of the first frame, which is no request; `EOFError` if there is none."""
        while True:
            if not self._receive():
                raise EOFError("the supervisor went away before it sent the settings")
            for body in self._buffer.frames():
                return bytes(body)

    def wait(self) -> int | None:
        """Wait until something arrives, or the receive timeout of the channel has passed.

        Returns how many requests are there; None: the channel has ended, and all are handled.
        """
        if self._requests:
            self.look()
        elif not self._has_ended:
            try:
                self._take_in()
            except BlockingIOError:
                return 0
        return len(self._requests) if self._requests or not self._has_ended else None

    def look(self) -> None:
        """Take in what has arrived, without waiting."""
        try:
            while not self._has_ended:
                self._take_in(socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass

    def take(self) -> ReceivedRequest | None:
        """The request that came first; None if there is none."""
        return self._requests.popleft() if self._requests else None

    def take_all(self) -> list[ReceivedRequest] | None:
        """All that has arrived, without waiting; None: the channel has ended, and all is taken."""
        self.look()
        taken = list(self._requests)
        self._requests.clear()
        return None if self._has_ended and not taken else taken

    def _take_in(self, flags: int = 0) -> None:
        if not self._receive(flags):
            self._has_ended = True
        for body in self._buffer.frames():
            # A copy, since runs are decoded from it one by one.
            request = decode_request(bytes(body))
            if request.urgent:
                self.on_urgent(request.urgent)
            if request.runs or request.queries or request.gone:
                self._requests.append(request)

    def _receive(self, flags: int = 0) -> bool:
        """Receive what there is room for; False at the end of the channel."""
        with self._buffer.writable() as view:
            try:
                count = self._channel.recv_into(view, 0, flags)
            except ConnectionError:
                return False
        self._buffer.wrote(count)
        return count > 0
