"""Several connections in one script, against a real server and ours (shell).

A script is a line of steps, `client> command`, separated by semicolons. After each step the replies
that any client has got are compared, byte for byte. A step is over when its client is answered or
waits, and whoever it woke has been answered: nothing here depends on how long anything takes.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from kiwi_engine.clock import monotonic_ns
from tests.differential.harness import SocketServer
from tests.differential.replies import reply_end
from tests.differential.test_tables import parse as commands_of
from tests.support.client import encode

CLIENTS: Final = 4
_PATIENCE_NS: Final = 20_000_000_000
_CHUNK_BYTES: Final = 1 << 16
# Most commands are answered within that; only of others is it asked whether they wait.
_SOON_S: Final = 0.003


class Step(NamedTuple):
    """One client sends one command."""

    client: int
    words: list[bytes]


# What each client got after a step.
Replies = list[list[bytes]]


def parse(line: str) -> list[Step]:
    """The steps of a script."""
    return [Step(int(words[0].rstrip(b">")), words[1:]) for words in commands_of(line)]


class _Connection:
    """One client: it never waits for what it reads."""

    def __init__(self, port: int, resp3: bool) -> None:
        setup = SocketServer("127.0.0.1", port)
        setup.pipeline([[b"HELLO", b"3" if resp3 else b"2"]])
        identity = setup.pipeline([[b"CLIENT", b"ID"]])[0]
        self.identity = identity[1:-2]
        self._setup = setup
        self._socket: socket.socket = setup._socket
        self._socket.setblocking(False)
        self._received = b""
        self.is_answered = True

    def send(self, words: Sequence[bytes]) -> None:
        self._socket.sendall(encode(*words))
        self.is_answered = False

    def replies(self, patience_s: float = 0) -> list[bytes]:
        """All that are there, or come so soon."""
        select.select((self._socket,), (), (), patience_s)
        with contextlib.suppress(BlockingIOError):
            while data := self._socket.recv(_CHUNK_BYTES):
                self._received += data
        found = []
        while (end := reply_end(self._received, 0)) is not None:
            found.append(self._received[:end])
            self._received = self._received[end:]
            self.is_answered = True
        return found

    def close(self) -> None:
        self._setup.close()


class Stage:
    """A server with its clients, and one more connection to look at them; `with` closes them."""

    def __init__(self, port: int, *, resp3: bool) -> None:
        self._control = SocketServer("127.0.0.1", port)
        self._control.pipeline([[b"FLUSHALL"]])
        self._clients = [_Connection(port, resp3) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for client in self._clients:
            client.close()
        self._control.close()

    def is_answered(self, client: int) -> bool:
        """Whether it has got a reply to its last command."""
        return self._clients[client].is_answered

    def _waits(self, client: int) -> bool:
        """Whether the server says that it is blocked."""
        words = [b"CLIENT", b"LIST", b"ID", self._clients[client].identity]
        line = self._control.pipeline([words])[0].decode()
        return "b" in line.partition(" flags=")[2].partition(" ")[0]

    def step(self, step: Step) -> Replies:
        """Take a step, and collect what everybody got."""
        got: Replies = [[] for _ in self._clients]
        sender = self._clients[step.client]
        sender.send(step.words)
        deadline_ns = monotonic_ns() + _PATIENCE_NS
        while not got[step.client]:
            assert monotonic_ns() < deadline_ns, f"{step} is neither answered nor waits"
            got[step.client] += sender.replies(_SOON_S)
            if not got[step.client] and self._waits(step.client):
                break
        # Behind it in each server, so that by now all are answered that will be.
        self._control.pipeline([[b"EXISTS", b"nothing"]])
        return [
            replies + client.replies() for client, replies in zip(self._clients, got, strict=True)
        ]


def compare(reference_port: int, our_port: int, steps: Sequence[Step], *, resp3: bool) -> None:
    """Fail at the first step after which not everybody has got the same.

    A client that waits takes no step: such steps are left out, on both sides.
    """
    done: list[str] = []
    with Stage(reference_port, resp3=resp3) as reference, Stage(our_port, resp3=resp3) as ours:
        for step in steps:
            if not reference.is_answered(step.client):
                continue
            done.append(f"{step.client}> {b' '.join(step.words)!r}")
            expected, got = reference.step(step), ours.step(step)
            assert got == expected, "\n".join(
                [f"RESP{3 if resp3 else 2}", *done, f"expected {expected}", f"     got {got}"]
            )
