"""Where replies, answers and events leave the storage process (shell).

The executing thread and the log thread both send. A frame of the runtime holds what is for all
network processes; each of them gets its own replies and answers, told by their numbers, and all
events.

A network process that reads nothing holds no thread up: what the kernel does not take is kept for
it and sent on later, at each turn of the executing thread. That is bounded by what it may ask for
(credits, `channel-reply-bytes`), but for events. So when more than `UNSENT_BYTES_MAX` wait, the
channel of a worker is closed, and its process has to come anew. The supervisor's own is waited for
instead: without it there is no server.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from typing import Any, Final, Protocol

from kiwi_engine.channel.events import EVENT_RUN, StorageBegan, encode_event
from kiwi_engine.channel.frames import Reply, encode_frame
from kiwi_engine.channel.numbering import PRIMARY, owner_of
from kiwi_engine.clock import monotonic_ns

logger = logging.getLogger(__name__)

UNSENT_BYTES_MAX: Final = 256 * 1024 * 1024

Replies = list[tuple[int, bytes]]
Answers = list[tuple[int, str, Any]]


class Outlet(Protocol):
    """Sends to the network runtime; from two threads."""

    def send(self, replies: Replies, answers: Answers) -> None:
        """Send one frame, as far as it is for anybody."""

    def say_hello(self) -> None:
        """Tell the supervisor that the storage runtime is ready; the frame answers nothing."""


class SoleOutlet:
    """An `Outlet` with one channel; a network process that reads nothing is waited for."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()

    def send(self, replies: Replies, answers: Answers) -> None:
        frame = encode_frame(Reply(replies, answers))
        try:
            with self._sending:
                self._channel.sendall(frame)
        except OSError:
            # The network runtime is gone; the end of the channel will be read next.
            logger.warning("%d replies have no one to go to", len(replies))

    def say_hello(self) -> None:
        self.send([], [])


class SharedOutlet:
    """An `Outlet` with a channel for each of `count` network processes.

    Their hello is the event `StorageBegan`, so that they can talk about this storage process.
    """

    def __init__(
        self, primary: socket.socket, count: int, unsent_bytes_max: int = UNSENT_BYTES_MAX
    ) -> None:
        self._count = count
        self._unsent_bytes_max = unsent_bytes_max
        self._lines = {PRIMARY: _Line(primary)}
        self._sending = threading.Lock()
        began = encode_event(StorageBegan(monotonic_ns()))
        self._hello = encode_frame(Reply([(EVENT_RUN, began)], []))
        # The kernel did not take everything.
        self._is_behind = False

    def say_hello(self) -> None:
        self._hello_to(PRIMARY)

    def add(self, process: int, channel: socket.socket) -> None:
        """A worker has got this channel; it is told hello."""
        with self._sending:
            self._lines[process] = _Line(channel)
        self._hello_to(process)

    def remove(self, process: int) -> None:
        """Its channel has ended, and will be closed."""
        with self._sending:
            self._lines.pop(process, None)

    def send(self, replies: Replies, answers: Answers) -> None:
        count = self._count
        shares = [Reply([], []) for _ in range(count)]
        for reply in replies:
            if reply[0] == EVENT_RUN:
                for share in shares:
                    share.replies.append(reply)
            else:
                shares[owner_of(reply[0], count)].replies.append(reply)
        for answer in answers:
            shares[owner_of(answer[0], count)].answers.append(answer)
        frames = [
            (process, encode_frame(share))
            for process, share in enumerate(shares)
            if share.replies or share.answers
        ]
        with self._sending:
            for process, frame in frames:
                self._send_to(process, frame)

    def send_on(self) -> None:
        """Send what the kernel did not take before; to be called often."""
        if self._is_behind:
            with self._sending:
                self._is_behind = False
                for process in list(self._lines):
                    self._send_to(process)

    def unsent_bytes(self) -> int:
        """What waits for network processes that do not read."""
        with self._sending:
            return sum(line.unsent_bytes for line in self._lines.values())

    def _hello_to(self, process: int) -> None:
        with self._sending:
            self._send_to(process, self._hello)

    def _send_to(self, process: int, frame: bytes = b"") -> None:
        line = self._lines.get(process)
        if line is None:
            # It is gone, or has not come yet: then it will be told all it has to know.
            return
        try:
            line.send(frame)
            if line.unsent_bytes > self._unsent_bytes_max:
                self._relieve(process, line)
            self._is_behind = self._is_behind or line.unsent_bytes > 0
        except OSError:
            # The process is gone; the end of its channel will be read next.
            logger.warning("network process %d gets no more replies: it is gone", process)
            del self._lines[process]

    def _relieve(self, process: int, line: _Line) -> None:
        if process == PRIMARY:
            line.wait_until_sent()
            return
        logger.error(
            "network process %d has left %d bytes unread: its channel is closed",
            process,
            line.unsent_bytes,
        )
        del self._lines[process]
        # Whoever reads it sees its end, here and there.
        line.channel.shutdown(socket.SHUT_RDWR)


class _Line:
    """One channel, and what the kernel has not taken; guarded by the lock of its owner."""

    __slots__ = ("channel", "unsent", "unsent_bytes")

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.unsent: deque[memoryview] = deque()
        self.unsent_bytes = 0

    def send(self, frame: bytes) -> None:
        """Send what waits, then `frame`, as far as that goes at once."""
        if frame:
            self.unsent.append(memoryview(frame))
            self.unsent_bytes += len(frame)
        try:
            while self.unsent:
                self._took(self.channel.send(self.unsent[0], socket.MSG_DONTWAIT))
        except BlockingIOError:
            pass

    def wait_until_sent(self) -> None:
        """Send all that waits, however long that takes."""
        while self.unsent:
            self._took(self.channel.send(self.unsent[0]))

    def _took(self, count: int) -> None:
        self.unsent_bytes -= count
        rest = self.unsent[0][count:]
        if rest:
            self.unsent[0] = rest
        else:
            self.unsent.popleft()
