"""Random transactions of two connections, and what two servers answer them, byte for byte (shell).

A script is a list of turns. In each, one connection sends some commands, cut into chunks wherever
chance will have it, and waits for as many replies: so the order between the connections is that of
the turns, and nothing depends on how long anything takes. The connections stay open from script to
script, whatever state they were left in: the first turns of a script reset them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Final, NamedTuple

from tests.support.client import encode
from tests.support.connections import Connection

CONNECTIONS: Final = 2
# {k} and {j} are keys, {n} is a number.
_COMMANDS: Final = tuple(
    """
    SET {k} {n}; GET {k}; INCR {k}; APPEND {k} x{n}; GETRANGE {k} 0 3; DEL {k}; EXISTS {k} {j}
    MSET {k} {n} {j} y; SETBIT {k} {n} 1; TYPE {k}; RENAME {k} {j}; COPY {k} {j}; PERSIST {k}
    LPUSH {k} a{n} b; RPOP {k}; LRANGE {k} 0 -1; LLEN {k}; BLPOP {k} 0.001; LMOVE {k} {j} LEFT LEFT
    HSET {k} f {n}; HGET {k} f; HLEN {k}; HINCRBY {k} f {n}; SADD {k} m; SCARD {k}; SISMEMBER {k} m
    ZADD {k} {n} m; ZSCORE {k} m; ZRANGE {k} 0 -1 WITHSCORES; ZINCRBY {k} 1.5 m; PFADD {k} {n}
    XADD {k} {n}-1 f v; XRANGE {k} - +; XLEN {k}; DBSIZE; SWAPDB 0 1; FLUSHDB
    PING; PING hello; ECHO {k}; PUBLISH channel {n}; CLIENT GETNAME; CLIENT SETNAME c{n}
    SELECT 0; SELECT 1; SELECT 99; SELECT x; CONFIG SET maxclients x; WAIT 0 0
    """.replace("\n", ";").split(";")
)
_WRONG: Final = (
    "GET", "SET {k}", "HSET {k} f", "NOSUCH {k}", "CLIENT NOSUCH", "OBJECT", "MULTI x", "EXEC x",
    "WATCH", "XGROUP NOSUCH a b", "INCRBY {k} y", "SET {k} v NOSUCH", "LINDEX {k} z", "SAVE x",
    "EVAL script", "EVAL \"return redis.call('incr',KEYS[1])\" 1 {k}", "EVAL 'return 1' 2 {k}",
)  # fmt: skip
_ABOUT_TRANSACTIONS: Final = (
    "MULTI", "MULTI", "MULTI", "EXEC", "EXEC", "EXEC", "DISCARD", "WATCH {k}", "WATCH {k} {j}",
    "UNWATCH", "RESET",
)  # fmt: skip


class Turn(NamedTuple):
    """What a connection sends, and where it is cut."""

    connection: int
    commands: list[list[bytes]]
    cuts: list[int]


def random_script(random: Random, *, resp3: bool) -> list[Turn]:
    """About eight turns, behind those that make both connections new."""
    hello = [b"HELLO", b"3" if resp3 else b"2"]
    turns = [Turn(each, [[b"RESET"], hello], []) for each in range(CONNECTIONS)]
    turns.append(Turn(0, [[b"FLUSHALL"]], []))
    for _ in range(random.randint(4, 12)):
        commands = _random_commands(random)
        cuts = _random_cuts(random, sum(len(encode(*words)) for words in commands))
        turns.append(Turn(random.randrange(CONNECTIONS), commands, cuts))
    return turns


def _random_commands(random: Random) -> list[list[bytes]]:
    if random.random() < 0.3:
        queued = [_random_command(random) for _ in range(random.randint(0, 5))]
        return [[b"MULTI"], *queued, [b"EXEC"]]
    return [_random_command(random) for _ in range(random.randint(1, 4))]


def _random_command(random: Random) -> list[bytes]:
    kind = random.random()
    pool: Sequence[str] = _COMMANDS
    if kind < 0.35:
        pool = _ABOUT_TRANSACTIONS
    elif kind < 0.42:
        pool = _WRONG
    key, other = random.sample(("a", "b", "c"), 2)
    template = random.choice([each for each in pool if each.strip()])
    text = template.strip().format(k=key, j=other, n=random.randint(1, 9))
    return [word.encode() for word in _words(text)]


def _words(text: str) -> Iterator[str]:
    """Split at blanks, outside of quotation marks."""
    for at, part in enumerate(text.replace("'return 1'", '"return 1"').split('"')):
        yield from [part] if at % 2 else part.split()


def _random_cuts(random: Random, size: int) -> list[int]:
    """The places at which bytes are cut: nowhere, somewhere, or in rare cases everywhere."""
    kind = random.random()
    if kind < 0.5:
        return []
    if kind < 0.95:
        return sorted(random.sample(range(1, size), min(3, size - 1)))
    return list(range(1, size))


def _send(connection: Connection, turn: Turn) -> None:
    data = b"".join(encode(*words) for words in turn.commands)
    for start, end in zip([0, *turn.cuts], [*turn.cuts, len(data)], strict=True):
        connection.send_bytes(data[start:end])


class Stages:
    """Two servers, with the connections of all scripts."""

    def __init__(self, reference_port: int, our_port: int) -> None:
        self._connections = [
            [Connection(port, resp3=False) for _ in range(CONNECTIONS)]
            for port in (reference_port, our_port)
        ]

    def compare(self, script: Sequence[Turn]) -> None:
        """Fail at the first turn that is answered differently, showing all up to it."""
        told: list[str] = []
        for turn in script:
            told.append(f"{turn.connection}: {turn.commands} cut at {turn.cuts}")
            pair = [connections[turn.connection] for connections in self._connections]
            for connection in pair:
                _send(connection, turn)
            expected, got = (connection.replies(len(turn.commands)) for connection in pair)
            if turn.commands[-1][0] == b"HELLO":
                # It tells what each server is.
                expected, got = expected[:-1], got[:-1]
            assert got == expected, "\n".join([*told, f"expected {expected}", f"     got {got}"])

    def close(self) -> None:
        for connections in self._connections:
            for connection in connections:
                connection.close()


@contextmanager
def stages(reference_port: int, our_port: int) -> Iterator[Stages]:
    """Connected, until the block ends."""
    made = Stages(reference_port, our_port)
    try:
        yield made
    finally:
        made.close()
