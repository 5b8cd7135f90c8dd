"""Snapshots of the store over an index in memory, in each state that a drain goes through."""

from __future__ import annotations

import pytest

from kiwi_engine.commit.group import Group
from kiwi_engine.engine.clean_cache import CleanCache
from kiwi_engine.engine.pins import Pins
from kiwi_engine.engine.snapshot import SnapshotTaker, StoreSnapshot
from kiwi_engine.engine.store import Store
from kiwi_engine.errors import EngineClosedError
from kiwi_engine.testing.memory_index import MemoryIndex

Rows = dict[bytes, bytes]


class World:
    """A store whose generations are sealed and drained by hand."""

    def __init__(self, indexed: Rows) -> None:
        self.index = MemoryIndex({key: b"\x00" + value for key, value in indexed.items()})
        cache = CleanCache(1 << 20)
        values = None  # no value is large here
        self.store = Store(self.index, values, cache, lambda key, head: (), 1000, 0)  # type: ignore[arg-type]
        self.pins = Pins()
        self.taker = SnapshotTaker(self.store, self.index)

    def write(self, rows: dict[bytes, bytes | None], *ranges: tuple[bytes, bytes]) -> None:
        self.store.open_group(Group(0))
        for begin, end in ranges:
            self.store.delete_range(begin, end)
        for key, value in rows.items():
            if value is None:
                self.store.delete(key)
            else:
                self.store.put(key, value)
        self.store.register_group()

    def seal(self) -> None:
        self.store.draining = self.store.generation
        self.store.open_generation(0)

    def take(self) -> StoreSnapshot:
        return self.taker.take(self.pins.take("snapshot"))


def contents(snapshot: StoreSnapshot) -> Rows:
    """All entries, and the same by each way of reading."""
    rows = list(snapshot.rows(b"", b"\xff"))
    assert list(snapshot.rows(b"", b"\xff", reverse=True)) == rows[::-1]
    assert [key for key, _ in rows] == sorted({key for key, _ in rows})
    found = {key: entry for key, entry in rows if entry is not None}
    for key in (b"a", b"b", b"c", b"d", b"e"):
        assert snapshot.find(key) == found.get(key)
    assert all(isinstance(entry, bytes) for entry in found.values())
    return found  # type: ignore[return-value]


def test_all_layers_and_their_deletions() -> None:
    world = World({b"a": b"1", b"b": b"1", b"c": b"1", b"d": b"1"})
    world.write({b"b": b"2", b"e": b"2"}, (b"a", b"b"))
    world.seal()
    world.write({b"e": None, b"d": b"3"}, (b"c", b"e"))
    snapshot = world.take()
    assert contents(snapshot) == {b"b": b"2", b"d": b"3"}
    assert list(snapshot.rows(b"b", b"d")) == [(b"b", b"2")]


def test_later_writes_seals_and_drains_are_not_seen() -> None:
    world = World({b"a": b"1", b"b": b"1"})
    world.write({b"b": b"2", b"c": b"2"})
    snapshot = world.take()
    before = contents(snapshot)
    world.write({b"b": b"3", b"d": b"3"}, (b"a", b"d"))
    assert contents(snapshot) == before
    world.seal()
    world.write({b"a": b"4"})
    assert contents(snapshot) == before
    world.index.write([(b"b", b"\x003"), (b"c", None), (b"d", b"\x003")], [(b"a", b"d")])
    assert contents(snapshot) == before == {b"a": b"1", b"b": b"2", b"c": b"2"}


def test_half_of_a_drain_is_in_the_index() -> None:
    """Its first slice deletes the range, its second one is to come: no key is missing."""
    world = World({b"a": b"1", b"b": b"1", b"c": b"1", b"e": b"1"})
    world.write({b"a": b"2", b"c": b"2"}, (b"a", b"d"))
    world.seal()
    world.index.write([(b"a", b"\x002")], [(b"a", b"d")])
    snapshot = world.take()
    assert contents(snapshot) == {b"a": b"2", b"c": b"2", b"e": b"1"}


def test_the_entries_of_a_drained_generation_become_the_cache() -> None:
    """`Housekeeping` hands the dict over, and the cache changes it."""
    world = World({})
    world.write({b"a": b"1", b"b": b"1"})
    world.seal()
    snapshot = world.take()
    draining = world.store.draining
    assert draining is not None
    draining.entries.clear()
    assert contents(snapshot) == {b"a": b"1", b"b": b"1"}


def test_copies_are_shared_while_nothing_changes() -> None:
    world = World({})
    world.write({b"a": b"1"})
    first, second = world.take(), world.take()
    assert first._layers[0] is second._layers[0]
    world.write({b"a": b"2"})
    third = world.take()
    assert third._layers[0] is not first._layers[0]
    assert (first.find(b"a"), third.find(b"a")) == (b"1", b"2")
    world.seal()
    fourth = world.take()
    assert fourth._layers[1] is third._layers[0]
    for snapshot in (first, second, third, fourth):
        snapshot.close()
    world.taker.forget_unused()
    assert world.taker._copies == []


def test_a_group_that_grows_makes_a_new_copy() -> None:
    """It may be taken back from the log's queue, even with a change of no more than its key."""
    world = World({})
    world.write({b"a": b"1"})
    first = world.take()
    world.store.put(b"b", b"")
    world.store.register_group()
    assert world.take().find(b"b") == b""
    assert first.find(b"b") is None


def test_closing() -> None:
    world = World({b"a": b"1"})
    snapshot = world.take()
    walk = snapshot.rows(b"", b"z")
    assert world.pins.counts() == {"snapshot": 1}
    snapshot.close()
    snapshot.close()
    assert world.pins.counts() == {}
    with pytest.raises(EngineClosedError):
        snapshot.find(b"a")
    with pytest.raises(EngineClosedError):
        snapshot.rows(b"", b"z")
    del walk
