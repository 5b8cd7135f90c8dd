"""A blocking RESP client that hides nothing (shell).

Unlike redis-py it sends exactly the bytes it is given, never reconnects, never retries, and returns
error replies as values.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

import hiredis

# An error reply, as a value.
ErrorReply = hiredis.ReplyError
Argument = bytes | str | int

_CHUNK_BYTES: Final = 1 << 16


def encode(*arguments: Argument) -> bytes:
    """One command as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Client:
    """One connection. `ConnectionError` when the peer closes, `TimeoutError` when it is silent."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout_seconds: float = 30) -> None:
        self.socket = socket.create_connection((host, port), timeout=timeout_seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader(notEnoughData=Ellipsis)

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.socket.sendall(data)

    def reply(self) -> Any:
        """The next reply; nested replies as lists, errors as `ErrorReply`."""
        while (reply := self._reader.gets()) is Ellipsis:
            data = self.socket.recv(_CHUNK_BYTES)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        return reply

    def command(self, *arguments: Argument) -> Any:
        """Send one command and return its reply."""
        self.send(encode(*arguments))
        return self.reply()

    def pipeline(self, commands: Iterable[Sequence[Argument]]) -> list[Any]:
        """Send all commands at once, then read as many replies."""
        encoded = [encode(*command) for command in commands]
        self.send(b"".join(encoded))
        return [self.reply() for _ in encoded]

    def read_until_closed(self) -> bytes:
        """Everything the server still sends, as raw bytes."""
        received = bytearray()
        while data := self.socket.recv(_CHUNK_BYTES):
            received += data
        return bytes(received)

    def info(self, section: str = "everything") -> dict[str, str]:
        """The fields of INFO, sections merged; of fields with one name, the first."""
        text = self.command("INFO", section)
        if isinstance(text, ErrorReply):
            raise ConnectionError(f"INFO was refused: {text}")
        fields: dict[str, str] = {}
        for line in text.decode().splitlines():
            name, separator, value = line.partition(":")
            if separator:
                fields.setdefault(name, value)
        return fields

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
