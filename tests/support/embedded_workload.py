"""What a thread of a program with an embedded engine does, the same again from its seed (pure).

The program and whoever judges it after its death both ask for the operations: so only the number
of the last one that was done has to be told.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from kiwi_engine.testing.oracle import Add, Change
from tests.support.workload import SHARED_COUNTER, VALUE_SIZES

KEYS_PER_THREAD: Final = 40
PAIRS_PER_THREAD: Final = 10
_KINDS: Final = (
    ("put", "batch", "delete", "own-counter", "shared-counter", "scan", "snapshot"),
    (50, 15, 10, 8, 8, 6, 3),
)


class Operation(NamedTuple):
    """`changes` are made together; those of the shared counter are not listed."""

    kind: str
    changes: Mapping[bytes, Change]


def operations(seed: str, name: str) -> Iterator[Operation]:
    """The endless work of the thread `name`; all keys but the shared one are its own."""
    rng = random.Random(f"{seed}:{name}")
    prefix = name.encode()
    number = 0
    while True:
        number += 1
        (kind,) = rng.choices(*_KINDS)
        key = b"%b:key:%d" % (prefix, rng.randrange(KEYS_PER_THREAD))
        # Never the same twice, so that a value tells which operation put it.
        value = _value(rng, b"%b:%b:%d." % (seed.encode(), prefix, number))
        changes: dict[bytes, Change] = {}
        if kind == "put":
            changes = {key: value}
        elif kind == "delete":
            changes = {key: None}
        elif kind == "batch":
            pair = rng.randrange(PAIRS_PER_THREAD)
            changes = {b"%b:pair:%d:%b" % (prefix, pair, side): value for side in (b"l", b"r")}
        elif kind == "own-counter":
            changes = {b"%b:counter" % prefix: Add(1)}
        yield Operation(kind, changes)


def counter_of(operation: Operation) -> bytes:
    """The key that an operation counts up."""
    return next(iter(operation.changes), SHARED_COUNTER)


def _value(rng: random.Random, head: bytes) -> bytes:
    (size,) = rng.choices(*VALUE_SIZES)
    return head + rng.randbytes(max(0, size - len(head)))
