"""A connection of a script, and the raw bytes that it receives (shell)."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from tests.support.client import Argument, encode
from tests.support.replies import reply_end

PATIENCE_SECONDS: Final = 20.0
_CHUNK_BYTES: Final = 1 << 16


class Connection:
    """`received` is what came and was not taken away; `number` is that of CLIENT ID."""

    def __init__(self, port: int, *, resp3: bool) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.is_open = True
        hello = [["HELLO", "3"]] if resp3 else []
        self.number = int(self.ask([*hello, ["CLIENT", "ID"]])[-1][1:])

    def send(self, commands: Iterable[Sequence[Argument]]) -> None:
        """Send commands in one chunk."""
        self.send_bytes(b"".join(encode(*words) for words in commands))

    def send_bytes(self, data: bytes) -> None:
        """Send them in one chunk; to learn that the server has closed is left to `wait`."""
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def ask(self, commands: Sequence[Sequence[Argument]]) -> list[bytes]:
        """Send commands, and take as many replies away; nothing else may come."""
        self.send(commands)
        return self.replies(len(commands))

    def replies(self, number: int) -> list[bytes]:
        """Take so many replies away, once they are there; nothing else may come."""
        found = self.take_replies()
        while len(found) < number or self.received:
            self.wait()
            assert self.is_open, f"closed behind {found} and {bytes(self.received)!r}"
            found += self.take_replies()
        assert len(found) == number, f"{found} instead of {number} replies"
        return found

    def wait(self) -> None:
        """Receive something, or learn that the server has closed the connection."""
        if not self.receive(PATIENCE_SECONDS) and self.is_open:
            raise TimeoutError(f"no more is received behind {bytes(self.received)!r}")

    def receive(self, patience_seconds: float) -> bool:
        """Receive what is there, or comes so soon; whether anything did."""
        readable, _, _ = select.select((self._socket,), (), (), patience_seconds)
        if not readable or not self.is_open:
            return False
        try:
            data = self._socket.recv(_CHUNK_BYTES)
        except ConnectionResetError:
            data = b""
        self.is_open = bool(data)
        self.received += data
        return self.is_open

    def whole_replies(self) -> list[bytes]:
        """Those in `received`, pushed messages included, up to one that is not complete."""
        data, start, found = bytes(self.received), 0, list[bytes]()
        while (end := reply_end(data, start)) is not None:
            found.append(data[start:end])
            start = end
        return found

    def take_replies(self) -> list[bytes]:
        """Take the whole replies away."""
        found = self.whole_replies()
        del self.received[: sum(map(len, found))]
        return found

    def close(self) -> None:
        self._socket.close()
        self.is_open = False
