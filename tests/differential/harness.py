"""Runs command sequences on two servers and compares the raw replies byte by byte (shell).

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

from tests.differential.compare import Verdict, compare, differ_in_place
from tests.differential.grammar import Words
from tests.support.client import encode
from tests.support.replies import reply_end

Commands = Sequence[Words]

LIVE_SERVER_VARIABLE: Final = "KIWI_DIFFERENTIAL_SERVER"
# The first words of a command, among which are its keys.
_KEY_WORDS: Final = 5
_CHUNK_BYTES: Final = 1 << 20
# SORT of Redis takes an overflow of whatever command came before it for one of its own: it looks at
# C's `errno`, which this command sets back.
FORGET_OVERFLOW: Final = (b"INCRBYFLOAT", b"forget-overflow", b"1")


class Server(Protocol):
    """Something that answers sequences, each from a clean state: database 0, nothing in any."""

    def run_all(self, sequences: Sequence[Commands], resp3: bool) -> list[list[bytes]]: ...


class SocketServer:
    """A server behind a socket. SELECT and DEBUG travel like any other command."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._resp3 = False

    def run_all(self, sequences: Sequence[Commands], resp3: bool) -> list[list[bytes]]:
        """All in one pipeline."""
        commands: list[Words] = [] if resp3 == self._resp3 else [_hello(resp3)]
        self._resp3 = resp3
        starts = []
        for sequence in sequences:
            commands += [[b"SELECT", b"0"], list(FORGET_OVERFLOW), [b"FLUSHALL"]]
            starts.append(len(commands))
            commands += sequence
        replies = self.pipeline(commands)
        return [
            replies[start : start + len(sequence)]
            for start, sequence in zip(starts, sequences, strict=True)
        ]

    def pipeline(self, commands: Commands) -> list[bytes]:
        """The raw reply of each command, sent all at once."""
        self._socket.sendall(b"".join(encode(*words) for words in commands))
        received = b""
        replies: list[bytes] = []
        start = 0
        while len(replies) < len(commands):
            end = reply_end(received, start)
            if end is None:
                data = self._socket.recv(_CHUNK_BYTES)
                if not data:
                    raise ConnectionError("the server closed the connection")
                received, start = received[start:] + data, 0
                continue
            replies.append(received[start:end])
            start = end
        return replies

    def close(self) -> None:
        self._socket.close()


def _hello(resp3: bool) -> Words:
    return [b"HELLO", b"3" if resp3 else b"2"]


def live_server() -> SocketServer | None:
    """The Kiwi Engine that the environment names, if any."""
    address = os.environ.get(LIVE_SERVER_VARIABLE)
    if not address:
        return None
    host, _, port = address.rpartition(":")
    return SocketServer(host, int(port))


@dataclass(frozen=True)
class Difference:
    """The first command of a sequence that was answered differently."""

    sequence: Commands
    at: int
    resp3: bool
    expected: bytes
    actual: bytes

    def __str__(self) -> str:
        told = "\n".join(repr(list(words)) for words in self.sequence[: self.at + 1])
        return (
            f"RESP{3 if self.resp3 else 2}, after\n{told}\n"
            f"expected {self.expected!r}\n     got {self.actual!r}"
        )


@dataclass
class Pair:
    """The two servers to compare.

    With `any_order` no hash or set needs to be in the order of the reference; with `any_string`
    it does not matter how a string that is no integer is called.
    """

    reference: Server
    ours: Server
    any_order: bool = False
    any_string: bool = False

    def check(self, commands: Commands, resp3: bool = False) -> None:
        """Fail at the first command whose replies differ, showing the sequence up to it."""
        difference = self.difference([commands], resp3)
        assert difference is None, str(difference)

    def check_both(self, commands: Commands) -> None:
        """The same in RESP2 and in RESP3."""
        self.check(commands, resp3=False)
        self.check(commands, resp3=True)

    def difference(
        self,
        sequences: Sequence[Commands],
        resp3: bool,
        known: Sequence[list[bytes]] | None = None,
    ) -> Difference | None:
        """The first difference of the first sequence that has one, if any.

        `known` are the replies of the reference if it was asked before.
        """
        wanted = self.reference.run_all(sequences, resp3) if known is None else known
        got = self.ours.run_all(sequences, resp3)
        for commands, expected, actual in zip(sequences, wanted, got, strict=True):
            at = self._first_difference(commands, expected, actual, resp3)
            if at is not None:
                return Difference(commands, at, resp3, expected[at], actual[at])
        return None

    def _first_difference(
        self, commands: Commands, expected: list[bytes], actual: list[bytes], resp3: bool
    ) -> int | None:
        if expected == actual:
            return None
        before = b""
        has_order = not self.any_order
        for at, words in enumerate(commands):
            verdict = compare(list(words), expected[at], actual[at], before)
            if verdict is Verdict.PERMUTED:
                has_order = has_order and self._has_order(commands[:at], words, resp3)
                verdict = Verdict.DIFFERENT if has_order else Verdict.SAME
            elif self.any_string and differ_in_place(list(words), expected[at], actual[at]):
                verdict = Verdict.SAME
            if verdict is not Verdict.SAME:
                return at
            before = actual[at]
        return None

    def _has_order(self, before: Commands, words: Words, resp3: bool) -> bool:
        """Whether the order that `words` shows is not that of a hash table, nor came from one.

        The sequence is repeated on the reference, which is asked for encodings all the time.
        """
        keys = sorted({word for each in (*before, words) for word in each[1:_KEY_WORDS]})
        questions = [[b"OBJECT", b"ENCODING", key] for key in keys]
        asked = [each for command in before for each in (command, *questions)]
        if words[0].lower() in (b"sunion", b"sdiff"):
            questions.append([b"OBJECT", b"ENCODING", b"result"])
            asked += [[words[0] + b"STORE", b"result", *words[1:]], questions[-1]]
        (replies,) = self.reference.run_all([asked], resp3)
        answers = [reply for one, reply in zip(asked, replies, strict=True) if one in questions]
        return not any(b"hashtable" in answer or b"skiplist" in answer for answer in answers)
