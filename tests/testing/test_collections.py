"""The models of the crash tests' collections agree with the commands, and notice contradictions."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import hiredis
import pytest

from kiwi_engine import clock
from kiwi_engine.commands.executor import Executor
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.testing.memory_store import MemoryStore
from kiwi_engine.testing.oracle import Stream
from tests.support.collections import BY_NAME, MODELS
from tests.support.collections import model as collection
from tests.support.collections.model import ContentError, Draw, Model, Words
from tests.support.crash_round import TINY_COLLECTIONS
from tests.support.workload import Workload, collection_key, model_of, sides_of

KEYS = (b"left", b"right")


class Server:
    """The executor in this process, with the limits of the crash rounds."""

    def __init__(self) -> None:
        self.keyspace = Keyspace(MemoryStore(tally), seed=1)
        for name, value in TINY_COLLECTIONS.items():
            setattr(self.keyspace.limits, name.replace("-", "_"), value)
        self._executor = Executor(self.keyspace)

    def ask(self, commands: Sequence[Words]) -> list[Any]:
        words = [list(command) for command in commands]
        reader = hiredis.Reader()
        for reply in self._executor.execute(0, False, words, clock.wall_ms()):
            reader.feed(reply)
        return [reader.gets() for _ in commands]

    def content(self, model: Model) -> list[Any]:
        return [model.content(self.ask(model.questions(key))) for key in KEYS]


def unique_values() -> Any:
    numbers = iter(range(1, 10**6))
    return lambda: b"c0%07d" % next(numbers)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_model_is_what_the_commands_do(model: Model) -> None:
    server, sides = Server(), [model.empty(), model.empty()]
    draw = Draw(random.Random(7), KEYS, unique_values())
    names, sizes = Counter[bytes](), set()
    for number in range(600):
        step = model.step(draw, sides)
        expected = step.effect(sides)
        (reply,) = server.ask([step.words])
        assert reply == expected, step.words
        names[step.words[0]] += 1
        if number % 20 == 0:
            found = server.content(model)
            assert collection.encode(found) == collection.encode(sides)
            assert collection.key_count(collection.encode(sides)) == sum(map(bool, sides))
            sizes.add(len(collection.encode(sides) or b""))
    assert len(sizes) > 5
    assert names[b"DEL"] + names[b"EXPIREAT"] > 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_what_is_encoded_is_decoded(model: Model) -> None:
    sides = [model.empty(), model.empty()]
    draw = Draw(random.Random(8), KEYS, unique_values())
    assert collection.encode(sides) is None
    for _ in range(50):
        model.step(draw, sides).effect(sides)
        encoded = collection.encode(sides)
        assert collection.encode(collection.decode(encoded, model)) == encoded


@pytest.mark.parametrize(
    ("name", "replies"),
    [
        ("hash", [[b"f", b"1"], 2, [b"0", [b"f", b"1"]]]),
        ("hash", [[b"f", b"1"], 1, [b"0", []]]),
        ("set", [[b"a", b"b"], 1, [b"0", [b"a", b"b"]]]),
        ("list", [[b"a", b"b"], 3, b"a", b"b"]),
        ("list", [[b"a", b"b"], 2, b"a", b"a"]),
        ("bitmap", [b"\1", 2, 1, b"\1"]),
        ("bitmap", [b"\1", 1, 2, b"\1"]),
        ("stream", [1, [[b"1-1", [b"f", b"v"]]], 2, [[b"1-1", [b"f", b"v"]]], [], [0], [], []]),
    ],
)
def test_contradictions_are_noticed(name: str, replies: list[Any]) -> None:
    with pytest.raises(ContentError):
        BY_NAME[name].content(replies)


def test_orders_of_a_sorted_set_must_agree() -> None:
    model, server = BY_NAME["zset"], Server()
    server.ask([[b"ZADD", b"left", b"1", b"m1", b"2", b"m2"]])
    replies = server.ask(model.questions(b"left"))
    assert model.content(replies) == {b"m1": 1, b"m2": 2}
    for at, wrong in (
        (0, [b"m2", b"2", b"m1", b"1"]),
        (1, [b"m1", b"1"]),
        (2, 3),
        (3, 1),
        (4, [b"0", [b"m1", b"1"]]),
        (5, [None] * len(replies[5])),
        (6, 1),
    ):
        with pytest.raises(ContentError):
            model.content([*replies[:at], wrong, *replies[at + 1 :]])


def test_keys_of_collections_are_known_by_their_names() -> None:
    for model in MODELS:
        key = collection_key(b"c0", model)
        assert model_of(key) is model
        assert sides_of(key) == (key + b":left", key + b":right")
    assert model_of(b"c0:key:1") is None


def test_a_client_works_on_every_type() -> None:
    stream = Stream("c0")
    workload = Workload(random.Random(3), stream)
    kinds = Counter(request.kind for _ in range(40) for request in workload.burst())
    assert min(kinds[f"collection {model.name}"] for model in MODELS) > 5
