"""Keyspace notifications, and what WATCH sees, of random sequences against real servers.

`KIWI_DIFFERENTIAL_SEQUENCES` sets how many sequences there are of each family.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.differential.families import FAMILIES
from tests.differential.families.family import KEYS, Family
from tests.differential.grammar import Words
from tests.differential.harness import Commands
from tests.differential.in_process import ENCODING_LIMITS, TINY_FORMS, limits_from
from tests.differential.notified import (
    Message,
    NotifiedExecutor,
    NotifiedServer,
    Told,
    touched_by_reference,
    touched_here,
)
from tests.differential.runs import SEQUENCES_AT_ONCE, batch
from tests.support.servers import ServerProcess

SEQUENCES: Final = int(os.environ.get("KIWI_DIFFERENTIAL_SEQUENCES", "150"))
# These tell less that is new, and cost more.
FEWER_SEQUENCES: Final = SEQUENCES // 5
EVENTS: Final = "KEAn"
MISSES: Final = "KEm"
# Redis 7.0 has no deadlines of fields, and tells of new consumers at other moments than 7.2.
_NEWER: Final = frozenset(("field_expiry", "streams"))
# What Valkey calls otherwise than Redis, where a deadline in the past is asked for.
_OTHER_WORDS: Final = {b"expired": b"del", b"hexpired": b"hdel"}
_SETS_DEADLINES: Final = (b"expire", b"expireat")
# Both forms of every collection, by turns.
_FORMS: Final = tuple(map(limits_from, (ENCODING_LIMITS, {**ENCODING_LIMITS, **TINY_FORMS})))
_KEYS: Final = tuple(sorted(set(KEYS)))

Servers = Callable[[Family], ServerProcess]
Connect = Callable[[Family, str], NotifiedServer]


@pytest.fixture(scope="module")
def servers(redis_process: ServerProcess, valkey_process: ServerProcess) -> Servers:
    """The server that does what Redis 7.2 does with a family."""
    return lambda family: valkey_process if family.name in _NEWER else redis_process


@pytest.fixture
def connect(servers: Servers) -> Iterator[Connect]:
    opened: list[NotifiedServer] = []

    def connect(family: Family, classes: str) -> NotifiedServer:
        opened.append(NotifiedServer("127.0.0.1", servers(family).port, classes))
        return opened[-1]

    yield connect
    for server in opened:
        server.close()


def batches(family: Family, count: int) -> Iterator[tuple[int, list[list[Words]]]]:
    """At least `count` sequences, some at a time, with the number of each batch."""
    for number in range(-(-count // SEQUENCES_AT_ONCE)):
        yield number, batch(family, number)


def in_words_of_redis(family: Family, words: Words, messages: list[Message]) -> list[Message]:
    """What Redis 7.2 would have told where the reference is Valkey."""
    if family.name not in _NEWER or not words[0].lower().endswith(_SETS_DEADLINES):
        return messages
    return [(_reworded(channel), _reworded(message)) for channel, message in messages]


def _reworded(text: bytes) -> bytes:
    front, colon, event = text.rpartition(b":")
    return front + colon + _OTHER_WORDS.get(event, event)


def explain(sequence: Commands, at: int, expected: object, actual: object) -> str:
    told = "\n".join(map(repr, sequence[: at + 1]))
    return f"after\n{told}\nexpected {expected!r}\n     got {actual!r}"


def check(family: Family, sequence: Commands, expected: Told, actual: Told) -> None:
    for at, words in enumerate(sequence):
        wanted = in_words_of_redis(family, list(words), expected[at])
        assert wanted == actual[at], explain(sequence, at, wanted, actual[at])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_events_are_the_same(family: Family, connect: Connect) -> None:
    reference = connect(family, EVENTS)
    for number, sequences in batches(family, SEQUENCES):
        ours = NotifiedExecutor(EVENTS, _FORMS[number % 2]).run_all(sequences)
        theirs = reference.run_all(sequences)
        for sequence, (_, expected), actual in zip(sequences, theirs, ours, strict=True):
            check(family, sequence, expected, actual)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "family",
    # SORT looks up by its patterns what is not told here.
    [family for family in FAMILIES if family.name != "sort"],
    ids=lambda family: family.name,
)
def test_misses_are_the_same(family: Family, connect: Connect) -> None:
    """But for commands that fail: those tell here what they would have looked up."""
    reference = connect(family, MISSES)
    for number, sequences in batches(family, FEWER_SEQUENCES):
        ours = NotifiedExecutor(MISSES, _FORMS[number % 2]).run_all(sequences)
        theirs = reference.run_all(sequences)
        for sequence, (replies, expected), actual in zip(sequences, theirs, ours, strict=True):
            for at, reply in enumerate(replies):
                if not reply.startswith(b"-"):
                    assert expected[at] == actual[at], explain(
                        sequence, at, expected[at], actual[at]
                    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_watch_sees_the_same_changes(family: Family, servers: Servers) -> None:
    port = servers(family).port
    for number, sequences in batches(family, FEWER_SEQUENCES):
        for sequence in sequences:
            expected = touched_by_reference(port, sequence, _KEYS)
            actual = touched_here(sequence, _KEYS, _FORMS[number % 2])
            for at, (wanted, got) in enumerate(zip(expected, actual, strict=True)):
                assert wanted == got, explain(sequence, at, wanted, got)
