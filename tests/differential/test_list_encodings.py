"""When a list is a listpack and when a quicklist, against Valkey: as Redis 7.2, unlike 7.0.

The lists here are only ever made at once, or pushed to and popped from at their tail. Then the last
elements of a quicklist lie in one node, and its encoding is a matter of sizes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

from kiwi_engine.keyspace.limits import Limits
from tests.differential.grammar import Words
from tests.differential.harness import Pair, SocketServer
from tests.differential.in_process import InProcessServer

SEQUENCES: Final = 150
ELEMENTS: Final = (
    b"", b"x", b"7", b"127", b"128", b"-1", b"4095", b"-4096", b"4096", b"-32768", b"32768",
    b"8388607", b"-8388609", b"2147483648", b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775808", b"007", b"-0", b"x" * 20, b"x" * 62, b"x" * 63, b"x" * 64,
    b"x" * 125, b"x" * 126, b"x" * 2000, b"x" * 4095, b"x" * 4096, b"x" * 8100, b"x" * 8192,
)  # fmt: skip
MANY: Final = (b"x" * 100, b"1234567890123456789", b"12", b"x" * 1000)
# Hundred of these are no reason for a second node.
SHORT: Final = tuple(element for element in ELEMENTS if len(element) <= 64)
ASK: Final = [b"object", b"encoding", b"a"]


@pytest.fixture(params=[-5, -2, -1, 0, 1, 4, 100])
def setting(request: pytest.FixtureRequest) -> int:
    value = request.param
    assert isinstance(value, int)
    return value


@pytest.fixture
def reference(setting: int, valkey_reference: SocketServer) -> Iterator[SocketServer]:
    name = b"list-max-listpack-size"
    assert valkey_reference.pipeline([[b"config", b"set", name, b"%d" % setting]]) == [b"+OK\r\n"]
    yield valkey_reference
    valkey_reference.pipeline([[b"config", b"set", name, b"-2"]])


def draw(rng: Random, setting: int) -> list[Words]:
    """One sequence; after each change the encoding is asked for."""
    elements: tuple[bytes, ...] = ELEMENTS
    many: tuple[bytes, ...] = MANY
    may_pop = setting < 0
    if setting >= 0 and rng.random() < 0.7:
        elements, many, may_pop = SHORT, SHORT, True
    commands: list[Words] = []
    for _ in range(rng.randint(1, 6)):
        if rng.random() < 0.5:
            added = rng.choices(elements, k=rng.randint(1, 4))
        else:
            added = [rng.choice(many)] * rng.choice((1, 5, 50, 500))
        commands += [[b"rpush", b"a", *added], ASK]
        while may_pop and rng.random() < 0.6:
            count = b"%d" % rng.choice((1, 2, 5, 40, 450))
            commands += [[b"rpop", b"a", count], ASK]
    match rng.randrange(3):
        case 0:
            commands += [[b"del", b"a"], [b"rpush", b"a", rng.choice(ELEMENTS)]]
            commands += [[b"lset", b"a", b"-1", rng.choice(ELEMENTS)], ASK]
        case 1:
            commands += [[b"lpush", b"a", b"pivot"], [b"linsert", b"a", b"after", b"pivot"]]
            commands[-1].append(rng.choice(elements))
            commands += [ASK]
        case _:
            commands += [[b"sort", b"a", b"by", b"nosort", b"store", b"a"], ASK]
    return commands


@pytest.mark.parametrize("packed_max_entries", [1000, 3])
def test_encodings_are_those_of_valkey(
    setting: int, reference: SocketServer, packed_max_entries: int
) -> None:
    limits = Limits(packed_max_entries=packed_max_entries, packed_max_bytes=100_000)
    limits.list_max_listpack_size = setting
    rng = Random(setting)
    sequences = [draw(rng, setting) for _ in range(SEQUENCES)]
    difference = Pair(reference, InProcessServer(limits)).difference(sequences, resp3=False)
    assert difference is None, str(difference)
