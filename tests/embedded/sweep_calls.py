"""Every kind of call, as one that is interrupted, and what it writes.

Ranges are walked to their end: what is left is closed by a finalizer, and Python swallows what is
raised there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import kiwi_engine
from tests.embedded.sweep_world import LARGE, Changes, World


class Kind(NamedTuple):
    """One kind of call; `changes` are those of the round."""

    name: str
    call: Callable[[World], object]
    changes: Callable[[World], Changes] = lambda world: {}


def _range(world: World) -> Changes:
    return {key: None for key in world.rows if key.startswith(b"a/")}


def _batch(world: World) -> Changes:
    return {b"b/1": world.text, b"b/2": LARGE + world.text, b"m/1": None}


def _write(world: World) -> None:
    batch = kiwi_engine.WriteBatch()
    batch.delete_range(prefix=b"a/")
    for key, value in _batch(world).items():
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    world.engine.write(batch)


def _get(world: World) -> None:
    for key in (b"m/%d" % (world.number % 7), b"n/%d" % (world.number % 5), b"absent", b"m/1"):
        assert world.engine.get(key) == world.rows.get(key)


def _get_many(world: World) -> None:
    keys = [*sorted(world.rows), b"absent"]
    assert world.engine.get_many(keys) == [world.rows.get(key) for key in keys]


def _scan(world: World) -> None:
    assert dict(world.engine.scan()) == world.rows


def _scan_back(world: World) -> None:
    rows = [row for row in world.rows.items() if row[0].startswith(b"m/")]
    assert list(world.engine.scan(prefix=b"m/", reverse=True)) == sorted(rows, reverse=True)


def _snapshot(world: World) -> None:
    with world.engine.snapshot() as snapshot:
        assert snapshot.get(b"m/%d" % (world.number % 7)) == world.text
        assert list(snapshot.keys(b"m/", b"o")) == sorted(
            key for key in world.rows if b"m/" <= key < b"o"
        )


def _transaction(world: World) -> None:
    with world.engine.transaction() as transaction:
        seen = dict(transaction.scan(prefix=b"m/"))
        assert seen.items() <= world.rows.items()
        assert transaction.get(b"b/1") == world.rows.get(b"b/1")
        transaction.put(b"b/1", world.text)
        transaction.put(b"b/2", LARGE + world.text)


def _count(world: World) -> None:
    assert world.engine.count() == len(world.rows)


def _get_now(world: World) -> None:
    """What `kiwi_engine.aio` asks on the thread of its loop."""
    world.engine.get_now(b"tm/1")


def _configure(world: World) -> None:
    world.engine.configure(value_threshold=64 + world.number % 3)


WRITES: Final = (
    Kind("put", lambda world: world.engine.put(b"b/0", world.text), lambda w: {b"b/0": w.text}),
    Kind(
        "put of a large value",
        lambda world: world.engine.put(b"b/0", LARGE + world.text),
        lambda world: {b"b/0": LARGE + world.text},
    ),
    Kind("write", _write, lambda world: {**_range(world), **_batch(world)}),
    Kind("delete_range", lambda world: world.engine.delete_range(prefix=b"a/"), _range),
    Kind("transaction", _transaction, lambda w: {b"b/1": w.text, b"b/2": LARGE + w.text}),
)
READS: Final = (
    Kind("get", _get),
    Kind("get_many", _get_many),
    Kind("scan", _scan),
    Kind("scan backwards", _scan_back),
    Kind("snapshot", _snapshot),
    Kind("count", _count),
    Kind("get_now", _get_now),
)
UPKEEP: Final = (
    Kind("sync", lambda world: world.engine.sync()),
    Kind("flush", lambda world: world.engine.flush()),
    Kind("collect", lambda world: world.engine.collect()),
    Kind("statistics", lambda world: world.engine.statistics()),
    Kind("configure", _configure),
)
# Longer than the first slice of a range, so that a view is taken.
LONG_SCANS: Final = (
    Kind("scan", _scan),
    Kind("keys", lambda world: list(world.engine.keys(reverse=True))),
)
# What takes back a group that waits, to write, or to wait with it for what it shows.
MEETING_OTHERS: Final = tuple(
    kind
    for kind in (*WRITES, *READS)
    if kind.name in ("put", "write", "get_many", "scan backwards", "transaction")
)
