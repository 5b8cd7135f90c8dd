"""Scores of all magnitudes, printed to the last digit as by a server that does like Redis 7.2."""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isfinite
from random import Random

import pytest

from tests.differential.harness import Pair

COUNT = 3000


def any_bits(rng: Random) -> float:
    """Any finite double is as likely as any other."""
    while True:
        (number,) = struct.unpack(">d", rng.randbytes(8))
        if isfinite(number):
            return float(number)


def scaled(rng: Random) -> float:
    return rng.uniform(-1, 1) * 10.0 ** rng.randint(-10, 25)


def short(rng: Random) -> float:
    return rng.randint(-(10**9), 10**9) / 10.0 ** rng.randint(0, 9)


def power(rng: Random) -> float:
    """Powers of two and of ten, and their neighbours."""
    base = rng.choice((2.0 ** rng.randint(-1074, 1023), 10.0 ** rng.randint(-300, 300)))
    return base * rng.choice((1.0, 1 + 2.0**-52, 1 - 2.0**-53))


@pytest.mark.parametrize("draw", [any_bits, scaled, short, power], ids=lambda draw: draw.__name__)
def test_scores_are_printed_alike(valkey_pair: Pair, draw: Callable[[Random], float]) -> None:
    rng = Random(draw.__name__)
    pairs = [word for n in range(COUNT) for word in (repr(draw(rng)).encode(), b"%d" % n)]
    members = pairs[1::2]
    valkey_pair.check_both([[b"ZADD", b"z", *pairs], [b"ZMSCORE", b"z", *members]])
