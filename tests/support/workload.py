"""What a crash-test client sends: writes of many sizes whose outcome can be told apart (pure).

Every value names its client and a number that is never used twice, so a value read back proves
which write made it. All but the shared counter are keys of this client alone. Half of the commands
are on collections, whose models are in `tests.support.collections`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from kiwi_engine.testing.oracle import Add, Change, Edit, Stream, Write
from tests.support.client import encode
from tests.support.collections import BY_NAME, MODELS
from tests.support.collections import model as collection
from tests.support.collections.model import Draw, Model, Sides

# Values from this size on go to the value log in the servers that the crash tests start.
VALUE_THRESHOLD: Final = 1024
VALUE_SIZES: Final = (
    (10, 100, 700, VALUE_THRESHOLD - 1, VALUE_THRESHOLD, VALUE_THRESHOLD + 1, 5_000, 65_536),
    (30, 30, 10, 5, 5, 5, 10, 5),
)
SHARED_COUNTER: Final = b"shared:counter"
KEYS_PER_CLIENT: Final = 40
PAIRS_PER_CLIENT: Final = 10
BURST_BYTES_MAX: Final = 512 * 1024
_KINDS: Final = (
    (
        *("collection", "set", "pair", "transaction", "script", "delete"),
        *("own-counter", "shared-counter", "get", "echo"),
    ),
    (100, 50, 10, 10, 10, 10, 5, 10, 7, 3),
)
# Sets both sides of a pair and counts, in three calls.
_SCRIPT: Final = b"""
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[1])
return redis.call('INCR', KEYS[3])
"""


@dataclass(slots=True)
class Request:
    """One command, the write it makes if it makes one, and the only right reply if known.

    `expected` is None where any answer of the right kind will do. `refusals` are errors that say,
    besides those of a crash, that it was not executed. `preludes` are the replies that come in
    front of the one that counts: a transaction has some.
    """

    kind: str
    data: bytes
    write: Write | None = None
    expected: Any = None
    refusals: tuple[str, ...] = ()
    preludes: tuple[bytes, ...] = ()


class Workload:
    """The requests of one client, drawn from `rng` and noted in `stream`."""

    def __init__(self, rng: random.Random, stream: Stream) -> None:
        self._rng = rng
        self._stream = stream
        self._name = stream.name.encode()
        self._number = 0

    def burst(self) -> list[Request]:
        """A pipeline: 1, a few or many requests, bounded in bytes."""
        requests: list[Request] = []
        size = 0
        for _ in range(self._rng.choice((1, 1, 1, 8, 64))):
            request = self._request()
            requests.append(request)
            size += len(request.data)
            if size > BURST_BYTES_MAX:
                break
        return requests

    def _request(self) -> Request:
        (kind,) = self._rng.choices(*_KINDS)
        key = b"%b:key:%d" % (self._name, self._rng.randrange(KEYS_PER_CLIENT))
        match kind:
            case "collection":
                return self._collection()
            case "set":
                value = self._value()
                return self._write(kind, {key: value}, [b"SET", key, value], b"OK")
            case "pair":
                return self._pair()
            case "transaction" | "script":
                return self._together(kind)
            case "delete":
                existed = int(self._stream.latest(key) is not None)
                return self._write(kind, {key: None}, [b"DEL", key], existed)
            case "own-counter":
                key = b"%b:counter" % self._name
                number = int(self._stream.latest(key) or 0) + 1
                return self._write(kind, {key: Add(1)}, [b"INCR", key], number)
            case "shared-counter":
                return Request(kind, encode(b"INCR", SHARED_COUNTER))
            case "get":
                return Request(kind, encode(b"GET", key), expected=self._stream.latest(key))
            case _:
                token = self._unique()
                return Request(kind, encode(b"ECHO", token), expected=token)

    def _pair(self) -> Request:
        """MSET of two keys with one value: a torn request leaves them different."""
        number = self._rng.randrange(PAIRS_PER_CLIENT)
        left, right = (b"%b:pair:%d:%b" % (self._name, number, side) for side in (b"l", b"r"))
        value = self._value()
        words = [b"MSET", left, value, right, value]
        return self._write("pair", {left: value, right: value}, words, b"OK")

    def _together(self, kind: str) -> Request:
        """A pair, and a counter, by a transaction or a script: all three changes, or none."""
        number = self._rng.randrange(PAIRS_PER_CLIENT)
        left, right = (b"%b:pair:%d:%b" % (self._name, number, side) for side in (b"l", b"r"))
        counter = b"%b:counter" % self._name
        count = int(self._stream.latest(counter) or 0) + 1
        value = self._value()
        changes: dict[bytes, Change] = {left: value, right: value, counter: Add(1)}
        if kind == "script":
            words = [b"EVAL", _SCRIPT, b"3", left, right, counter, value]
            return self._write(kind, changes, words, count)
        queued = ([b"SET", left, value], [b"SET", right, value], [b"INCR", counter])
        data = b"".join(encode(*words) for words in ([b"MULTI"], *queued, [b"EXEC"]))
        write = self._stream.submit(changes)
        preludes = (b"OK", *[b"QUEUED"] * len(queued))
        return Request(kind, data, write, [b"OK", b"OK", count], preludes=preludes)

    def _collection(self) -> Request:
        """A command on two keys of one type, which are one key for the oracle."""
        model = self._rng.choice(MODELS)
        key = collection_key(self._name, model)
        before = self._stream.latest(key)
        sides = collection.decode(before, model)
        draw = Draw(self._rng, sides_of(key), self._unique)
        step = model.step(draw, sides)
        expected = step.effect(sides)
        # The oracle asks again and again, and nearly always about what was expected.
        known = {before: collection.encode(sides)}

        def after(value: bytes | None) -> bytes | None:
            if value not in known:
                changed: Sides = collection.decode(value, model)
                step.effect(changed)
                known[value] = collection.encode(changed)
            return known[value]

        kind = f"collection {model.name}"
        request = self._write(kind, {key: Edit(after)}, step.words, expected)
        request.refusals = step.refusals
        return request

    def _write(
        self, kind: str, changes: dict[bytes, Change], words: list[bytes], expected: Any
    ) -> Request:
        return Request(kind, encode(*words), self._stream.submit(changes), expected)

    def _value(self) -> bytes:
        (size,) = self._rng.choices(*VALUE_SIZES)
        head = self._unique()
        # Half of the values compress well, half not at all.
        if self._rng.random() < 0.5:
            return head.ljust(size, b".")
        return head + self._rng.randbytes(max(0, size - len(head)))

    def _unique(self) -> bytes:
        self._number += 1
        return b"%b%07d" % (self._name, self._number)


def collection_key(name: bytes, model: Model) -> bytes:
    """What the oracle calls the two keys of a type that a client has."""
    return b"%b:both:%b" % (name, model.name.encode())


def sides_of(key: bytes) -> tuple[bytes, bytes]:
    """The two keys that a `collection_key` stands for."""
    return key + b":left", key + b":right"


def model_of(key: bytes) -> Model | None:
    """The model of a `collection_key`, None for a plain key."""
    owner, both, name = key.partition(b":both:")
    return BY_NAME[name.decode()] if both and owner else None
