"""DUMP of Kiwi is restored by real servers, and theirs by Kiwi: all types, both forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.helpers import Session
from tests.rdb.strategies import texts
from tests.support.client import Client

# Hypothesis shows each example; long elements make long ones.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

Command = Sequence[bytes]
EXAMPLES: Final = 10
VERSION_OF_REDIS_7_0: Final = 10

_pairs = st.tuples(texts, texts)
_scored = st.tuples(st.floats(-1e9, 1e9).map(lambda score: b"%.17g" % (score or 0.0)), texts)


def _words(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[list[bytes]]:
    """One command of some fixed and some drawn words."""
    return st.tuples(*parts).map(_flat)


def _flat(parts: Any) -> list[bytes]:
    if isinstance(parts, bytes):
        return [parts]
    return [word for part in parts for word in _flat(part)]


def _many(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=1, max_size=30)


def _command(name: bytes, arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Command]]:
    words = _words(st.just(name), st.just(b"key"), _many(arguments))
    return st.lists(words, min_size=1, max_size=2)


@st.composite
def _stream_commands(draw: st.DrawFn) -> list[Command]:
    count = draw(st.integers(1, 12))
    commands: list[Command] = []
    for at in range(count):
        fields = draw(st.lists(_pairs, min_size=1, max_size=3))
        commands.append([b"XADD", b"key", b"%d-%d" % (5 + at // 3, at + 1), *_flat(fields)])
    for at in draw(st.sets(st.integers(0, count - 1), max_size=3)):
        commands += [[b"XDEL", b"key", b"%d-%d" % (5 + at // 3, at + 1)]]
    for group in sorted(draw(st.sets(st.sampled_from([b"g1", b"g2", b"7"]), max_size=2))):
        commands.append([b"XGROUP", b"CREATE", b"key", group, draw(st.sampled_from([b"0", b"$"]))])
        # Redis 7.0 makes no consumer of one that gets nothing.
        commands += [
            [b"XGROUP", b"CREATECONSUMER", b"key", group, name]
            for name in (b"alice", b"bob", b"idle")
        ]
        commands += [
            [b"XREADGROUP", b"GROUP", group, name, b"COUNT", b"3", b"STREAMS", b"key", b">"]
            for name in draw(st.lists(st.sampled_from([b"alice", b"bob"]), max_size=3))
        ]
    return commands


FAMILIES: Final[dict[str, tuple[st.SearchStrategy[list[Command]], list[Command]]]] = {
    "string": (
        _words(st.just(b"SET"), st.just(b"key"), texts).map(lambda words: [words]),
        [[b"GET", b"key"]],
    ),
    "list": (_command(b"RPUSH", texts), [[b"LRANGE", b"key", b"0", b"-1"]]),
    "set": (_command(b"SADD", texts), [[b"SMEMBERS", b"key"]]),
    "sorted set": (
        _command(b"ZADD", _scored),
        [[b"ZRANGE", b"key", b"0", b"-1", b"WITHSCORES"]],
    ),
    "hash": (_command(b"HSET", _pairs), [[b"HGETALL", b"key"]]),
    "stream": (
        _stream_commands(),
        [
            [b"XRANGE", b"key", b"-", b"+"],
            [b"XINFO", b"GROUPS", b"key"],
            *([b"XPENDING", b"key", group, b"-", b"+", b"99"] for group in (b"g1", b"g2", b"7")),
        ],
    ),
}


class Kiwi:
    """An engine in memory, used like a connection; one form of collections only."""

    def __init__(self, *, is_spread: bool) -> None:
        self._session = Session()
        if is_spread:
            self._session.keyspace.limits.packed_max_entries = 1
            self._session.keyspace.limits.paged_min_bytes = 16

    def command(self, *words: bytes) -> Any:
        reader = hiredis.Reader()
        reader.feed(self._session.words(*words))
        return reader.gets()


def _shown(run: Callable[..., Any], questions: list[Command], name: str) -> list[Any]:
    """What a value looks like, in an order of its own where the type has none."""
    replies = [run(*question) for question in questions]
    match name:
        case "set":
            return [sorted(reply) for reply in replies]
        case "hash":
            return [sorted(zip(reply[::2], reply[1::2], strict=True)) for reply in replies]
        case "sorted set":
            # Redis 7.0 prints other digits of the same score.
            return [[*reply[::2], *map(float, reply[1::2])] for reply in replies]
    return [_without_times(reply) for reply in replies]


def _without_times(reply: Any) -> Any:
    """A reply of a stream command whose idle times are 0; a refusal as its text."""
    if isinstance(reply, Exception):
        return str(reply)
    if isinstance(reply, list):
        is_pending = len(reply) == 4 and isinstance(reply[2], int)
        return [*reply[:2], 0, reply[3]] if is_pending else [_without_times(item) for item in reply]
    return reply


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_payloads_are_exchanged(peer: Client, name: str, data: st.DataObject) -> None:
    strategy, questions = FAMILIES[name]
    commands = data.draw(strategy)
    servers = (Kiwi(is_spread=False), Kiwi(is_spread=True))
    for run in (peer.command, *(ours.command for ours in servers)):
        run(b"DEL", b"key")
        for command in commands:
            assert not isinstance(run(*command), Exception)
    wanted = _shown(peer.command, questions, name)
    theirs = peer.command(b"DUMP", b"key")
    their_version = int.from_bytes(theirs[-10:-8], "little")
    for ours in servers:
        assert _shown(ours.command, questions, name) == wanted
        sealed = ours.command(b"DUMP", b"key")

        assert ours.command(b"RESTORE", b"key", b"0", theirs, b"REPLACE") == b"OK"
        assert _shown(ours.command, questions, name) == wanted

        if int.from_bytes(sealed[-10:-8], "little") > their_version:
            continue
        assert peer.command(b"RESTORE", b"key", b"0", sealed, b"REPLACE") == b"OK"
        assert _shown(peer.command, questions, name) == wanted
        # Redis 7.0 has no sets in listpacks, and Valkey calls longer strings "embstr".
        if their_version > VERSION_OF_REDIS_7_0 and name != "string":
            encoding = (b"OBJECT", b"ENCODING", b"key")
            assert ours.command(*encoding) == peer.command(*encoding)
