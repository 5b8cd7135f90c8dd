"""Scripts of several connections with pushed messages, and the raw bytes that each gets (shell).

    r3: CLIENT TRACKING ON REDIRECT {t}     RESP3 (`r` alone: RESP2); {t}: the number of t
    w: SET k 1; DEL k                       one pipeline
    r3!: CLIENT CACHING YES                 the next command of r3 is to follow at once
    t: close

Behind the replies of each step all connections are asked for a PING, the one that acted last. So
a message arrives at the same point of a transcript on every server, also one about a change of the
connection's own, which comes behind the reply to the command that made it.
"""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Sequence
from typing import Final

import hiredis

from tests.support.client import encode

_CHUNK_BYTES: Final = 1 << 16
_TIMEOUT_SECONDS: Final = 20
_STEP: Final = re.compile(r"\s*(\w+)(!?):(.*)")
# Not those inside a script in Lua.
_NEXT: Final = re.compile(r"; (?=[A-Z])")
# What HELLO tells of the server.
_INTRODUCTION: Final = re.compile(
    r"[*%]\d+\r\n\$6\r\nserver\r\n.*?\$7\r\nmodules\r\n(\*0|.*?args\r\n\*0)\r\n", re.DOTALL
)


class Peer:
    """One connection; `received` is what it got, without the answers to this module's questions."""

    def __init__(self, port: int, *, resp3: bool) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
        self.received = bytearray()
        self._pending: list[list[str]] = []
        if resp3:
            self.say([["HELLO", "3"]])
        self.say([["CLIENT", "ID"]])
        self.number = int(self.received[self.received.rindex(b":") + 1 :])
        self.received.clear()

    def say(self, commands: Sequence[Sequence[str]]) -> None:
        """Send commands, and receive their replies and what is pushed before the last of them."""
        self.socket.sendall(b"".join(encode(*words) for words in commands))
        reader = hiredis.Reader(notEnoughData=Ellipsis)
        left = len(commands)
        while left:
            reply = reader.gets()
            if reply is Ellipsis:
                data = self._receive()
                reader.feed(data)
                self.received += data
            elif not isinstance(reply, hiredis.PushNotification):
                left -= 1

    def settle(self, number: int) -> None:
        """Receive everything that was sent before now."""
        token = b"step-%d" % number
        self.socket.sendall(encode("PING", token))
        end = b"$%d\r\n%b\r\n" % (len(token), token)
        while not self.received.endswith(end):
            self.received += self._receive()
        del self.received[-len(end) :]
        if self.received.endswith(b"*2\r\n$4\r\npong\r\n"):
            # The answer to a subscriber in RESP2.
            del self.received[-14:]

    def _receive(self) -> bytes:
        data = self.socket.recv(_CHUNK_BYTES)
        assert data, "the server closed a connection"
        return data


def transcribe(port: int, script: str) -> dict[str, list[str]]:
    """What each connection of `script` got, as lines, numbers of connections left out."""
    steps = [match.groups() for match in map(_STEP.match, script.strip().splitlines()) if match]
    names = dict.fromkeys(name for name, _, _ in steps)
    peers = {name: Peer(port, resp3=name.endswith("3")) for name in names}
    numbers = {f"{{{name}}}": str(peer.number) for name, peer in peers.items()}
    closed: set[str] = set()
    try:
        for at, (name, is_hasty, text) in enumerate(steps):
            if text.strip() == "close":
                closed.add(name)
                peers[name].socket.close()
                _wait_for_end(port, peers[name].number)
                continue
            filled_in = re.sub(r"{\w+}", lambda match: numbers[match[0]], text)
            peers[name].say([shlex.split(command) for command in _NEXT.split(filled_in)])
            if not is_hasty:
                for other in [*(peers.keys() - {name} - closed), name]:
                    peers[other].settle(at)
    finally:
        for peer in peers.values():
            peer.socket.close()
    return {name: _without_numbers(peer, numbers) for name, peer in peers.items()}


def _wait_for_end(port: int, number: int) -> None:
    """Until the server has noticed that connection `number` is gone."""
    asker = Peer(port, resp3=False)
    while True:
        asker.received.clear()
        asker.say([["CLIENT", "LIST", "ID", str(number)]])
        if asker.received == b"$0\r\n\r\n":
            asker.socket.close()
            return


def _without_numbers(peer: Peer, numbers: dict[str, str]) -> list[str]:
    text = _INTRODUCTION.sub("(introduction)\r\n", peer.received.decode("latin-1"))
    for placeholder, number in numbers.items():
        for field in ("redirect", "tracking-redir-broken"):
            text = text.replace(f"{field}\r\n:{number}\r\n", f"{field}\r\n:{placeholder}\r\n")
    return text.split("\r\n")
