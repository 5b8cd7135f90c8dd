"""Scripts for several connections, and what each of them receives, byte for byte (shell).

A script has a line a step: `a: SET k v` sends a command on connection `a`, made when it is first
named, and waits for one reply; `a~ BLPOP k 0` sends it and waits for nothing; `a>` waits for one
more reply or push; `a!` closes the connection. Then everything that other connections received is
noted, too. Words are separated by blanks; `"..."` holds them together, with Python's escapes.
"""

from __future__ import annotations

import ast
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import hiredis

from tests.support.client import encode

_STEP: Final = re.compile(r"(\w)([:~>!])\s*(.*)")
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
# How long others are listened to after a step.
QUIET_SECONDS: Final = 0.03


class _Peer:
    """A connection that keeps the raw bytes of what it receives."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._reader = hiredis.Reader(notEnoughData=Ellipsis)
        self.received = b""
        self._complete = 0

    def wait(self) -> None:
        """Receive until there is one more whole reply."""
        while not self._complete:
            self._take(self.socket.recv(1 << 16))
        self._complete -= 1

    def poll(self, seconds: float) -> None:
        """Receive what comes within `seconds`."""
        self.socket.settimeout(seconds)
        try:
            while data := self.socket.recv(1 << 16):
                self._take(data)
        except (TimeoutError, BlockingIOError):
            pass
        finally:
            self.socket.settimeout(10)

    def _take(self, data: bytes) -> None:
        if not data:
            raise ConnectionError("the server closed the connection")
        self.received += data
        self._reader.feed(data)
        while self._reader.gets() is not Ellipsis:
            self._complete += 1

    def taken(self) -> bytes:
        """What was received since the last call."""
        received, self.received, self._complete = self.received, b"", 0
        return received


def words_of(text: str) -> list[bytes]:
    """The words of a command line."""
    found = []
    for word in _WORD.findall(text):
        plain = ast.literal_eval(word) if word.startswith('"') else word
        found.append(plain.encode("latin-1"))
    return found


@contextmanager
def _peers() -> Iterator[dict[str, _Peer]]:
    peers: dict[str, _Peer] = {}
    try:
        yield peers
    finally:
        for peer in peers.values():
            peer.socket.close()


def play(port: int, script: str) -> list[tuple[str, str, bytes]]:
    """(step, connection, what it received) in order of steps, then of connections."""
    heard = []
    with _peers() as peers:
        for line in filter(None, map(str.strip, script.splitlines())):
            match = _STEP.fullmatch(line)
            assert match is not None, f"no step: {line}"
            name, kind, command = match.groups()
            if name not in peers:
                peers[name] = _Peer(port)
            peer = peers[name]
            if kind == "!":
                peers.pop(name).socket.close()
            elif kind == ">":
                peer.wait()
            else:
                peer.socket.sendall(encode(*words_of(command)))
                if kind == ":":
                    peer.wait()
            for each, other in sorted(peers.items()):
                other.poll(QUIET_SECONDS if other is not peer else 0.005)
                if received := other.taken():
                    heard.append((line, each, received))
    return heard
