"""A client that sends pipelines for ever, and checks each reply (shell: a thread)."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Sequence
from typing import Final

from kiwi_engine.clock import monotonic_ns
from tests.support.client import encode

_CHUNK_BYTES: Final = 1 << 18
_POLL_S: Final = 0.05


class Flood(threading.Thread):
    """Sends `pipeline` again and again; the replies to each one must be `replies`.

    By default it sends whenever the server takes something, however much is not answered yet; with
    `is_patient` it waits for the replies to one before it sends the next.
    """

    def __init__(
        self, port: int, pipeline: bytes, replies: bytes, *, is_patient: bool = False
    ) -> None:
        super().__init__(name="flood", daemon=True)
        self._is_patient = is_patient
        self._pipeline = memoryview(pipeline)
        # From any place in it as far as one chunk.
        self._expected = replies * (2 + _CHUNK_BYTES // len(replies))
        self._replies_bytes = len(replies)
        self._ending = threading.Event()
        self._socket = socket.create_connection(("127.0.0.1", port))
        # What lies in the kernel has to be served before the end.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHUNK_BYTES)
        self._socket.setblocking(False)
        self.sent_bytes = 0
        self.received_bytes = 0
        self.problems: list[str] = []

    @property
    def pipelines(self) -> int:
        """How many were sent, the last one perhaps in part."""
        return -(-self.sent_bytes // len(self._pipeline))

    def end(self, timeout_s: float = 60.0) -> list[str]:
        """Send the rest of the last pipeline, wait for all replies; what was wrong."""
        self._ending.set()
        self.join(timeout_s)
        if self.is_alive():
            self.problems.append(f"{self._missing} bytes of replies were still missing")
        self._socket.close()
        return self.problems

    @property
    def _missing(self) -> int:
        return self.pipelines * self._replies_bytes - self.received_bytes

    def run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                self._exchange(selector)
        except OSError as error:
            self.problems.append(f"the connection was lost: {error}")

    def _exchange(self, selector: selectors.BaseSelector) -> None:
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        selector.register(self._socket, both)
        while not self.problems:
            is_between = self.sent_bytes % len(self._pipeline) == 0
            if is_between and self._ending.is_set() and not self._missing:
                return
            is_silent = is_between and (
                self._ending.is_set() or (self._is_patient and self._missing > 0)
            )
            selector.modify(self._socket, selectors.EVENT_READ if is_silent else both)
            for _, events in selector.select(_POLL_S):
                if events & selectors.EVENT_READ:
                    self._receive()
                if events & selectors.EVENT_WRITE:
                    self._send()

    def _send(self) -> None:
        place = self.sent_bytes % len(self._pipeline)
        self.sent_bytes += self._socket.send(self._pipeline[place : place + _CHUNK_BYTES])

    def _receive(self) -> None:
        data = self._socket.recv(_CHUNK_BYTES)
        if not data:
            raise ConnectionError("closed by the server")
        place = self.received_bytes % self._replies_bytes
        if data != self._expected[place : place + len(data)]:
            self.problems.append(f"wrong replies: {data[:200]!r}")
        self.received_bytes += len(data)


def sets(name: str, count: int, value_bytes: int) -> tuple[bytes, bytes]:
    """A pipeline of SETs to `count` keys of `name`, and its replies."""
    value = b"x" * value_bytes
    return b"".join(encode("SET", f"{name}:{n}", value) for n in range(count)), b"+OK\r\n" * count


def sets_and_gets(name: str, pipeline_bytes: int) -> tuple[bytes, bytes]:
    """A pipeline of about so many bytes: each small value is read where it was written."""
    value = b"v" * 16
    key = f"{name}:0000"
    pair = len(encode("SET", key, value) + encode("GET", key))
    commands = b"".join(
        encode("SET", f"{name}:{n % 1000:04}", value) + encode("GET", f"{name}:{n % 1000:04}")
        for n in range(pipeline_bytes // pair)
    )
    return commands, b"+OK\r\n$16\r\n%b\r\n" % value * (pipeline_bytes // pair)


def run_floods(floods: Sequence[Flood], seconds: float) -> tuple[float, list[str]]:
    """Let them go for a while; megabytes sent a second, and what was wrong."""
    started_ns = monotonic_ns()
    for flood in floods:
        flood.start()
    threading.Event().wait(seconds)
    problems = [problem for flood in floods for problem in flood.end()]
    took_s = (monotonic_ns() - started_ns) / 1e9
    return sum(flood.sent_bytes for flood in floods) / took_s / 1e6, problems
