"""Trimming with `~`, which removes whole nodes: those of Redis and our imagined ones are the same.

So it is for small entries of a stream that nothing was deleted from one by one.
"""

from __future__ import annotations

import pytest

from tests.differential.grammar import Words
from tests.differential.harness import Pair

ADDED = 350


def added(first: int, count: int, *options: bytes) -> list[Words]:
    ids = range(first, first + count)
    return [[b"XADD", b"s", *options, b"%d-1" % number, b"f", b"v"] for number in ids]


def words(line: str) -> Words:
    return line.encode().split()


@pytest.mark.parametrize("threshold", [0, 1, 49, 50, 51, 149, 150, 151, 250, 349, 350, 351])
@pytest.mark.parametrize("limit", ["", " LIMIT 99", " LIMIT 100", " LIMIT 249", " LIMIT 0"])
def test_xtrim(redis_pair: Pair, valkey_pair: Pair, threshold: int, limit: str) -> None:
    lines = [
        f"XTRIM s MAXLEN ~ {threshold}{limit}",
        "XINFO STREAM s",
        f"XTRIM s MINID ~ {threshold}{limit}",
        "XINFO STREAM s",
        f"XTRIM s MINID {threshold}",
        f"XTRIM s MINID ~ {threshold + 60}{limit}",
        f"XTRIM s MAXLEN ~ 70{limit}",
        "XINFO STREAM s",
    ]
    commands = [*added(1, ADDED), *map(words, lines)]
    redis_pair.check(commands)
    valkey_pair.check(commands)


@pytest.mark.parametrize("length", [1, 99, 100, 101, 150])
def test_xadd(redis_pair: Pair, valkey_pair: Pair, length: int) -> None:
    options = (b"MAXLEN", b"~", b"%d" % length)
    observed = [one for add in added(1, ADDED, *options) for one in (add, words("XLEN s"))]
    redis_pair.check([*observed, words("XINFO STREAM s")])
    valkey_pair.check([*observed, words("XINFO STREAM s")])
