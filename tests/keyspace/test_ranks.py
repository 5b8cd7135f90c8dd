"""Count nodes: ranks without walking over the whole set."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from random import Random

import pytest

from kiwi_engine.errors import CorruptionError
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.sorted_sets import ranks
from kiwi_engine.keyspace.sorted_sets.ranks import CountNodes, RankCache, node_entries_max
from kiwi_engine.keyspace.spread.versions import RANKS, SCORES, element_prefix
from kiwi_engine.testing.memory_store import MemoryStore

VERSION = 7
ORDER_PREFIX = element_prefix(SCORES, VERSION)


class CountingStore(MemoryStore):
    """Counts the rows that were walked over."""

    def __init__(self) -> None:
        super().__init__(tally)
        self.walked = 0

    def range(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        for row in super().range(begin, end, reverse=reverse):
            self.walked += 1
            yield row


class World:
    """Order keys in a store, in count nodes and in a sorted list."""

    def __init__(self, node_entries_min: int = 2) -> None:
        self.store = CountingStore()
        self.cache = RankCache(self.store)
        self.cache.node_entries_min = node_entries_min
        self.model: list[bytes] = []

    @property
    def nodes(self) -> CountNodes:
        return self.cache.nodes(VERSION, len(self.model))

    def add(self, order_key: bytes) -> None:
        nodes = self.nodes
        self.store.put(ORDER_PREFIX + order_key, b"")
        self.model.insert(bisect_left(self.model, order_key), order_key)
        nodes.add(order_key)

    def remove(self, order_key: bytes) -> None:
        nodes = self.nodes
        self.store.delete(ORDER_PREFIX + order_key)
        self.model.remove(order_key)
        nodes.remove(order_key)

    def check(self) -> None:
        """The nodes count what is there, in memory and in the store."""
        rows = list(self.nodes.rows())
        bounds = [bisect_left(self.model, boundary) for boundary, _ in rows] + [len(self.model)]
        sizes = [bounds[at + 1] - bounds[at] for at in range(len(rows))]
        assert [count for _, count in rows] == sizes
        assert self.cache.node_count == len(rows)
        fresh = RankCache(self.store).nodes(VERSION, len(self.model))
        assert list(fresh.rows()) == rows


def order_key(number: int) -> bytes:
    return b"%08d" % number


def grown(count: int, node_entries_min: int = 2) -> World:
    world = World(node_entries_min)
    numbers = list(range(count))
    Random(1).shuffle(numbers)
    for number in numbers:
        world.add(order_key(number))
    return world


def test_nodes_grow_with_the_root_of_the_set() -> None:
    assert node_entries_max(0, 64) == 64
    assert node_entries_max(65_536, 64) == 64
    assert node_entries_max(1_000_000, 64) == 250
    assert node_entries_max(100_000_000, 64) == 2500


@pytest.mark.parametrize("seed", range(12))
def test_any_sequence_of_changes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(seed)
    monkeypatch.setattr(ranks, "SUMMED_AT_ONCE", rng.choice([1, 3, 256]))
    world = World(rng.choice([1, 2, 3, 7]))
    for _ in range(250):
        if not world.model or rng.random() < 0.55:
            key = order_key(rng.randrange(10_000))
            if key not in world.model:
                world.add(key)
        elif rng.random() < 0.5:
            world.remove(rng.choice(world.model))
        else:
            # Another place for an element, as ZINCRBY finds one.
            nodes, old, new = world.nodes, rng.choice(world.model), order_key(rng.randrange(10_000))
            if new not in world.model:
                world.store.delete(ORDER_PREFIX + old)
                world.store.put(ORDER_PREFIX + new, b"")
                world.model.remove(old)
                world.model.insert(bisect_left(world.model, new), new)
                nodes.move(old, new)
        if rng.random() < 0.05:
            world.cache.reload()
        world.check()
        nodes = world.nodes
        place = order_key(rng.randrange(10_001))
        assert nodes.rank(place) == bisect_left(world.model, place)
        if world.model:
            index = rng.randrange(len(world.model))
            assert nodes.order_key_at(index) == world.model[index]


def test_a_rank_walks_over_one_node_at_most() -> None:
    world = grown(4000, node_entries_min=16)
    longest = max(count for _, count in world.nodes.rows())
    assert longest <= 16 and len(world.nodes) <= 2 * 4000 / 8
    for index in range(0, 4000, 37):
        world.store.walked = 0
        assert world.nodes.rank(order_key(index)) == index
        assert world.store.walked <= longest
        world.store.walked = 0
        assert world.nodes.order_key_at(index) == order_key(index)
        assert world.store.walked <= longest // 2 + 1, "a node is entered from its nearer end"


def test_nodes_of_a_set_that_shrinks_are_put_together() -> None:
    world = grown(1000, node_entries_min=8)
    before = len(world.nodes)
    for number in range(1000):
        if number % 10:
            world.remove(order_key(number))
    world.check()
    assert len(world.nodes) <= before / 4
    # A queue: whatever is added at one end and removed at the other, nodes stay few.
    for number in range(1000, 3000):
        world.add(order_key(number))
        world.remove(world.model[0])
    world.check()
    assert len(world.nodes) <= 2 * len(world.model) / 4 + 1


def test_filling_writes_the_nodes_of_all_elements_at_once() -> None:
    for count in (1, 2, 5, 100):
        world = World(4)
        keys = [order_key(number) for number in range(count)]
        for key in keys:
            world.store.put(ORDER_PREFIX + key, b"")
        nodes = world.nodes
        nodes.fill(iter(keys), count)
        world.model = keys
        world.check()
        assert all(node_count <= 4 for _, node_count in nodes.rows())


def test_only_the_sets_used_last_are_remembered() -> None:
    store = CountingStore()
    cache = RankCache(store)
    cache.node_entries_min, cache.nodes_max = 1, 10
    for version in (1, 2, 3):
        nodes = cache.nodes(version, 0)
        for number in range(4):
            store.put(element_prefix(SCORES, version) + order_key(number), b"")
            nodes.add(order_key(number))
    assert cache.node_count == 12
    assert cache.nodes(3, 4) is cache.known(3)
    assert (cache.known(1), cache.node_count) == (None, 8)
    assert cache.nodes(1, 4).total == 4
    assert cache.known(2) is None, "the one that was used longest ago has made room"
    cache.nodes_max = 1
    assert cache.nodes(1, 4) is cache.known(1), "the set in use is remembered in any case"
    cache.reload()
    assert (cache.known(1), cache.node_count) == (None, 0)


def test_counts_that_do_not_fit_are_reported() -> None:
    world = grown(50)
    key = next(key for key in world.store.snapshot() if key[:1] == RANKS)
    world.store.put(key, (1000).to_bytes(4, "big"))
    world.cache.reload()
    with pytest.raises(CorruptionError, match="count nodes of version 7"):
        world.cache.nodes(VERSION, 50)


def test_elements_that_are_missing_are_reported() -> None:
    world = grown(50)
    for key in [key for key in world.store.snapshot() if key[:1] == SCORES]:
        world.store.delete(key)
    with pytest.raises(CorruptionError, match="counts too many"):
        world.nodes.order_key_at(25)
