"""Clients that wait for each other, in one script, against a real server and ours (shell).

A script is a line of steps, `client> command`, separated by semicolons. After each step the replies
that any client has got are compared, byte for byte. A step is over when its client is answered or
waits, and whoever it woke has been answered: nothing here depends on how long anything takes.

Unlike in `tests.support.transcripts` what is played depends on how it goes: who waits takes no
step, and cannot be asked for a PING either, so the server is asked who waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from kiwi_engine.clock import monotonic_ns
from tests.support.command_lines import commands_of
from tests.support.connections import PATIENCE_SECONDS, Connection

CLIENTS: Final = 4
# Most commands are answered within that; only of others is it asked whether they wait.
_SOON_SECONDS: Final = 0.003


class Step(NamedTuple):
    """One client sends one command."""

    client: int
    words: list[bytes]


# What each client got after a step.
Replies = list[list[bytes]]


def parse(line: str) -> list[Step]:
    """The steps of a script."""
    return [Step(int(words[0].rstrip(b">")), words[1:]) for words in commands_of(line)]


class Stage:
    """A server with its clients, and one more connection to look at them; `with` closes them."""

    def __init__(self, port: int, *, resp3: bool) -> None:
        self._control = Connection(port, resp3=False)
        self._control.ask([["FLUSHALL"]])
        self._clients = [Connection(port, resp3=resp3) for _ in range(CLIENTS)]
        self._unanswered: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in (*self._clients, self._control):
            connection.close()

    def is_answered(self, client: int) -> bool:
        """Whether it has got a reply to its last command."""
        return client not in self._unanswered

    def _waits(self, client: int) -> bool:
        """Whether the server says that it is blocked."""
        number = str(self._clients[client].number)
        line = self._control.ask([["CLIENT", "LIST", "ID", number]])[0].decode()
        return "b" in line.partition(" flags=")[2].partition(" ")[0]

    def _replies(self, client: int, patience_seconds: float) -> list[bytes]:
        """All that are there, or come so soon."""
        connection = self._clients[client]
        if connection.receive(patience_seconds):
            while connection.receive(0):
                pass
        found = connection.take_replies()
        if found:
            self._unanswered.discard(client)
        return found

    def step(self, step: Step) -> Replies:
        """Take a step, and collect what everybody got."""
        got: Replies = [[] for _ in self._clients]
        self._clients[step.client].send([step.words])
        self._unanswered.add(step.client)
        deadline_ns = monotonic_ns() + int(PATIENCE_SECONDS * 1e9)
        while not got[step.client]:
            assert monotonic_ns() < deadline_ns, f"{step} is neither answered nor waits"
            got[step.client] += self._replies(step.client, _SOON_SECONDS)
            if not got[step.client] and self._waits(step.client):
                break
        # Behind it in each server, so that by now all are answered that will be.
        self._control.ask([["EXISTS", "nothing"]])
        return [replies + self._replies(client, 0) for client, replies in enumerate(got)]


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
