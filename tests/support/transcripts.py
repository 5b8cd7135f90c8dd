"""Scripts of several connections, and what each of them gets, byte for byte (shell).

    r3: CLIENT TRACKING ON REDIRECT {t}     RESP3 (`r` alone: RESP2); {t}: the number of t
    w: SET k 1; DEL k                       one pipeline
    r3!: CLIENT CACHING YES                 the next command of r3 is to follow at once
    t: close                                by this side

A step is over when all connections have answered a PING behind it, the one that acts first and last
of all. So a message is noted at the same step on every server, also one about a change of the
connection's own, which may come behind the reply to the command that made it. That a server closes
a connection is noted, too.

Between a step with `!` and the next one of its connection, no PING is sent on it: a transaction
would queue it. Such a step is over when there are as many replies as it has commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Final, NamedTuple

from tests.support.command_lines import commands_of
from tests.support.connections import Connection
from tests.support.servers import wait_until

CLOSED: Final = "(closed)"
_STEP: Final = re.compile(r"(\w+)(!?):\s*(.*)")
# What HELLO tells of the server.
_INTRODUCTION: Final = re.compile(
    r"[*%]\d+\r\n\$6\r\nserver\r\n.*?\$7\r\nmodules\r\n(\*0|.*?args\r\n\*0)\r\n", re.DOTALL
)


class Heard(NamedTuple):
    """The lines that `connection` got in a step, numbers of connections left out."""

    step: str
    connection: str
    lines: list[str]


def play(port: int, script: str) -> list[Heard]:
    """What was heard on the connections of `script`, in order of steps, then of connections."""
    steps = list(filter(None, map(str.strip, script.splitlines())))
    with _stage(port, dict.fromkeys(_parsed(step)[0] for step in steps)) as stage:
        return [heard for step in steps for heard in stage.play(step)]


def _parsed(step: str) -> tuple[str, bool, str]:
    """Who acts, whether nothing may follow, and what is sent."""
    match = _STEP.fullmatch(step)
    assert match is not None, f"no step: {step}"
    return match[1], bool(match[2]), match[3]


@contextmanager
def _stage(port: int, names: dict[str, None]) -> Iterator[_Stage]:
    peers = {name: Connection(port, resp3=name.endswith("3")) for name in names}
    try:
        yield _Stage(port, peers)
    finally:
        for peer in peers.values():
            peer.close()


class _Stage:
    """The connections of a script while it is played."""

    def __init__(self, port: int, peers: dict[str, Connection]) -> None:
        self._port = port
        self._peers = peers
        self._numbers = {f"{{{name}}}": str(peer.number) for name, peer in peers.items()}
        self._tokens = count()
        # Who is not to be asked for a PING.
        self._hasty: set[str] = set()

    def play(self, step: str) -> Iterator[Heard]:
        """Take a step, and wait until it is over."""
        name, is_hasty, text = _parsed(step)
        peer = self._peers[name]
        try:
            if text == "close":
                peer.close()
                self._wait_for_end(peer.number)
            elif peer.is_open:
                self._send(name, is_hasty, text)
        except TimeoutError as error:
            error.add_note(f"in {step!r}")
            raise
        for each, other in sorted(self._peers.items()):
            if lines := self._taken(other):
                yield Heard(step, each, lines)

    def _send(self, name: str, is_hasty: bool, text: str) -> None:
        peer = self._peers[name]
        filled_in = re.sub(r"{\w+}", lambda match: self._numbers[match[0]], text)
        commands = commands_of(filled_in)
        if is_hasty:
            self._hasty.add(name)
            peer.send(commands)
            _wait_for_replies(peer, len(commands))
            return
        self._hasty.discard(name)
        self._settle({name}, commands)
        self._settle(self._peers.keys() - {name} - self._hasty, [])
        self._settle({name}, [])

    def _settle(self, names: set[str], commands: list[list[bytes]]) -> None:
        """Have commands sent, and receive everything that is sent before a PING behind them is."""
        token = b"step-%d" % next(self._tokens)
        peers = [self._peers[name] for name in names if self._peers[name].is_open]
        for peer in peers:
            peer.send([*commands, [b"PING", token]])
        for peer in peers:
            _take_answer(peer, token)

    def _taken(self, peer: Connection) -> list[str]:
        text = _INTRODUCTION.sub("(introduction)\r\n", peer.received.decode("latin-1"))
        peer.received.clear()
        for placeholder, number in self._numbers.items():
            for field in ("redirect", "tracking-redir-broken"):
                text = text.replace(f"{field}\r\n:{number}\r\n", f"{field}\r\n:{placeholder}\r\n")
        return text.split("\r\n") if text else []

    def _wait_for_end(self, number: int) -> None:
        """Until the server has noticed that connection `number` is gone."""
        with closing(Connection(self._port, resp3=False)) as asker:
            question = [["CLIENT", "LIST", "ID", str(number)]]
            wait_until(lambda: asker.ask(question) == [b"$0\r\n\r\n"], "the end of a connection")


def _wait_for_replies(peer: Connection, wanted: int) -> None:
    """Receive so many replies; messages that are pushed are none."""
    while sum(not reply.startswith(b">") for reply in peer.whole_replies()) < wanted:
        peer.wait()
        assert peer.is_open, "the server closed the connection"


def _take_answer(peer: Connection, token: bytes) -> None:
    """Receive up to the answer to PING, and take it away; note it if there will be none."""
    # A subscriber in RESP2 gets an array.
    answer = re.compile(rb"(\*2\r\n\$4\r\npong\r\n)?\$%d\r\n%b\r\n" % (len(token), token))
    while (match := answer.search(peer.received)) is None and peer.is_open:
        peer.wait()
    if match is not None:
        del peer.received[match.start() : match.end()]
    else:
        peer.received += CLOSED.encode()
