"""A type of collection as a crash test sees it (pure)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

Words = list[bytes]
# What the left and the right key hold: dicts, lists or bytes, empty where there is no key.
Sides = list[Any]
# Changes the sides as a command does, whatever they hold, and returns the reply to it.
Effect = Callable[[Sides], Any]

LEFT: Final = 0
RIGHT: Final = 1
# Sides that hold more than this are made smaller rather than larger.
ELEMENTS_MAX: Final = 60


class ContentError(Exception):
    """What a server says of a collection contradicts itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command and what it does. `refusals`: errors that say that it was not executed."""

    words: Words
    effect: Effect
    refusals: tuple[str, ...] = ()


class Draw:
    """What a step is made from: a random generator, the two keys, values used only once."""

    def __init__(
        self, rng: random.Random, keys: tuple[bytes, bytes], unique: Callable[[], bytes]
    ) -> None:
        self.rng = rng
        self.keys = keys
        self.unique = unique

    def names(self, prefix: bytes, most: int) -> list[bytes]:
        """One to `most` different names out of twice as many as a side should have."""
        numbers = self.rng.sample(range(2 * ELEMENTS_MAX), self.rng.randint(1, most))
        return [b"%b%d" % (prefix, number) for number in numbers]


class Model(Protocol):
    """A type of collection."""

    @property
    def name(self) -> str: ...

    def empty(self) -> Any:
        """What a side holds while its key does not exist."""
        ...

    def step(self, draw: Draw, sides: Sides) -> Step:
        """A command that makes sense while the keys hold `sides`."""
        ...

    def questions(self, key: bytes) -> list[Words]:
        """What to ask about one key, in one pipeline."""
        ...

    def content(self, replies: Sequence[Any]) -> Any:
        """What the key holds; `ContentError` if the replies contradict each other."""
        ...


def encode(sides: Sides) -> bytes | None:
    """The same bytes for the same content, None for nothing; a dict has no order."""
    if not any(sides):
        return None
    plain = [sorted(side.items()) if isinstance(side, dict) else side for side in sides]
    return msgspec.msgpack.encode(plain)


def decode(value: bytes | None, model: Model) -> Sides:
    """The inverse of `encode`."""
    if value is None:
        return [model.empty(), model.empty()]
    kind = type(model.empty())
    return [kind(side) for side in msgspec.msgpack.decode(value)]


def key_count(value: bytes | None) -> int:
    """How many of the two keys exist."""
    return 0 if value is None else sum(map(bool, msgspec.msgpack.decode(value)))


def demand(holds: bool, what: str) -> None:
    """`ContentError` unless it holds."""
    if not holds:
        raise ContentError(what)


def removal(draw: Draw, model: Model, side: int) -> Step:
    """The whole key goes, by DEL or because its time has come."""

    def effect(sides: Sides) -> int:
        existed, sides[side] = bool(sides[side]), model.empty()
        return int(existed)

    key = draw.keys[side]
    return Step(draw.rng.choice(([b"DEL", key], [b"EXPIREAT", key, b"1"])), effect)


def copy(draw: Draw) -> Step:
    """The right key becomes a copy of the left one, if that exists."""

    def effect(sides: Sides) -> int:
        if not sides[LEFT]:
            return 0
        left = sides[LEFT]
        sides[RIGHT] = left if isinstance(left, bytes) else left.copy()
        return 1

    return Step([b"COPY", *draw.keys, b"REPLACE"], effect)
