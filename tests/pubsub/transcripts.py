"""Scripts of several connections, and the raw bytes that each connection gets (shell).

    a3: SUBSCRIBE news              RESP3 (`a` alone: RESP2)
    b: MULTI; PUBLISH news x; EXEC  one pipeline

A step is over when a PING behind it is answered, so messages arrive at the same point of every
connection's transcript on every server.
"""

from __future__ import annotations

import shlex
import socket
from typing import Final

from tests.support.client import encode

_CHUNK_BYTES: Final = 1 << 16
_TIMEOUT_SECONDS: Final = 20


class _Peer:
    def __init__(self, port: int, resp3: bool) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
        self.received = bytearray()
        self.is_open = True
        if resp3:
            self.run([["HELLO", "3"]], "hello")
            self.received.clear()

    def run(self, commands: list[list[str]], token: str) -> None:
        """Send commands, and receive until they are answered or the connection is closed."""
        if not self.is_open:
            return
        self.socket.sendall(b"".join(encode(*words) for words in [*commands, ["PING", token]]))
        while b"\r\n%b\r\n" % token.encode() not in self.received:
            try:
                data = self.socket.recv(_CHUNK_BYTES)
            except ConnectionResetError:
                data = b""
            if not data:
                self.is_open = False
                return
            self.received += data


def transcribe(port: int, script: str) -> dict[str, str]:
    """What each connection of `script` received, a line a line."""
    peers: dict[str, _Peer] = {}
    steps = [line.split(":", 1) for line in script.strip().splitlines()]
    try:
        for name in dict.fromkeys(name.strip() for name, _ in steps):
            peers[name] = _Peer(port, resp3=name.endswith("3"))
        for number, (name, text) in enumerate(steps):
            commands = [shlex.split(command) for command in text.split(";")]
            peers[name.strip()].run(commands, f"step-{number}")
        for peer in peers.values():
            peer.run([], "end")
    finally:
        for peer in peers.values():
            peer.socket.close()
    return {name: peer.received.decode("latin-1") for name, peer in peers.items()}
