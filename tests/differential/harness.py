"""Runs one command sequence on two servers and compares the raw replies byte by byte (shell).

The reference is a real redis-server (or Valkey). Ours is the executor over a store in memory, in
this process, or, if `KIWI_DIFFERENTIAL_SERVER=host:port` is set, a running Kiwi Engine, whose
databases the tests then empty.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kiwi_engine import clock
from kiwi_engine.commands.executor import Executor
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.testing.memory_store import MemoryStore
from tests.support.client import encode

Words = Sequence[bytes]

LIVE_SERVER_VARIABLE: Final = "KIWI_DIFFERENTIAL_SERVER"
# Replies that depend on the moment, and by how much two runs of a sequence may differ.
TIME_TOLERANCE: Final = {b"pttl": 2000, b"pexpiretime": 2000, b"ttl": 2, b"expiretime": 2}
_AGGREGATES: Final = b"*%~>"


class Server(Protocol):
    """Something that answers a sequence from a clean state: database 0, all databases empty."""

    def run(self, commands: Sequence[Words], resp3: bool) -> list[bytes]: ...


class SocketServer:
    """A server behind a socket. SELECT and DEBUG travel like any other command."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._resp3 = False

    def run(self, commands: Sequence[Words], resp3: bool) -> list[bytes]:
        clean: list[Words] = [[b"SELECT", b"0"], [b"FLUSHALL"]]
        if resp3 != self._resp3:
            clean.insert(0, [b"HELLO", b"3" if resp3 else b"2"])
            self._resp3 = resp3
        return self.pipeline([*clean, *commands])[len(clean) :]

    def pipeline(self, commands: Sequence[Words]) -> list[bytes]:
        """The raw reply of each command, sent all at once."""
        self._socket.sendall(b"".join(encode(*words) for words in commands))
        received = b""
        replies: list[bytes] = []
        start = 0
        while len(replies) < len(commands):
            end = reply_end(received, start)
            if end is None:
                data = self._socket.recv(1 << 20)
                if not data:
                    raise ConnectionError("the server closed the connection")
                received += data
                continue
            replies.append(received[start:end])
            start = end
        return replies

    def close(self) -> None:
        self._socket.close()


class InProcessServer:
    """The executor over a `MemoryStore`; it understands SELECT, which is not the executor's."""

    def run(self, commands: Sequence[Words], resp3: bool) -> list[bytes]:
        executor = Executor(Keyspace(MemoryStore(tally), seed=1))
        replies, database = [], 0
        for words in commands:
            if words[0].lower() == b"select":
                database = int(words[1])
                replies.append(b"+OK\r\n")
                continue
            replies += executor.execute(database, resp3, [list(words)], clock.wall_ms())
        return replies


def reply_end(data: bytes, start: int) -> int | None:
    """Where the reply that begins at `start` ends, or None while it is incomplete."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, end = data[start], line_end + 2
    if kind in b"$=":
        size = int(data[start + 1 : line_end])
        end += size + 2 if size >= 0 else 0
        return end if end <= len(data) else None
    if kind not in _AGGREGATES:
        return end
    count = max(0, int(data[start + 1 : line_end])) * (2 if kind == ord("%") else 1)
    for _ in range(count):
        inner = reply_end(data, end)
        if inner is None:
            return None
        end = inner
    return end


def elements(reply: bytes) -> list[bytes]:
    """The raw elements of an array reply."""
    end = reply.index(b"\r\n") + 2
    found = []
    while end < len(reply):
        inner = reply_end(reply, end)
        assert inner is not None
        found.append(reply[end:inner])
        end = inner
    return found


def live_server() -> SocketServer | None:
    """The Kiwi Engine that the environment names, if any."""
    address = os.environ.get(LIVE_SERVER_VARIABLE)
    if not address:
        return None
    host, _, port = address.rpartition(":")
    return SocketServer(host, int(port))


@dataclass
class Pair:
    """The two servers to compare."""

    reference: Server
    ours: Server

    def check(self, commands: Sequence[Words], resp3: bool = False) -> None:
        """Fail at the first command whose replies differ, showing the sequence up to it."""
        expected = self.reference.run(commands, resp3)
        actual = self.ours.run(commands, resp3)
        for at, (words, want, got) in enumerate(zip(commands, expected, actual, strict=True)):
            if not same_reply(words, want, got):
                told = "\n".join(repr(list(words)) for words in commands[: at + 1])
                raise AssertionError(
                    f"RESP{3 if resp3 else 2}, after\n{told}\nexpected {want!r}\n     got {got!r}"
                )

    def check_both(self, commands: Sequence[Words]) -> None:
        """The same in RESP2 and in RESP3."""
        self.check(commands, resp3=False)
        self.check(commands, resp3=True)


def same_reply(words: Words, expected: bytes, actual: bytes) -> bool:
    """Equal bytes; order does not count for KEYS, a short time does not for TTL and its like."""
    if expected == actual:
        return True
    name = words[0].lower()
    if expected[:1] != actual[:1]:
        return False
    if name == b"keys" and expected[:1] == b"*":
        return sorted(elements(expected)) == sorted(elements(actual))
    if name in TIME_TOLERANCE and expected[:1] == b":":
        want, got = int(expected[1:]), int(actual[1:])
        return min(want, got) > 0 and abs(want - got) <= TIME_TOLERANCE[name]
    return False
