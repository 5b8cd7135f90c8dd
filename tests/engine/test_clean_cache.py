"""The clean cache: what is used stays, the bound holds, and nothing stale is ever returned."""

from __future__ import annotations

from random import Random

import pytest

from kiwi_engine.engine.clean_cache import CachedEntry, CleanCache, entries_bytes, entry_bytes
from kiwi_engine.vlog.separated import Separated

VALUE = b"v" * 100
ONE = entry_bytes(b"k0", VALUE)


def test_it_returns_what_was_added_and_counts() -> None:
    cache = CleanCache(10_000)
    assert cache.get(b"k") is None
    cache.add(b"k", VALUE)
    assert cache.get(b"k") == VALUE
    assert (cache.hits, cache.misses) == (1, 1)
    assert cache.facts()["clean_cache_keys"] == 1


def test_what_is_used_survives_the_turn_and_the_rest_goes() -> None:
    cache = CleanCache(8 * ONE)
    for round_number in range(20):
        for number in range(3):
            cache.add(b"%d%d" % (round_number % 10, number), VALUE)
        if round_number:
            assert cache.get(b"hot") == VALUE
        else:
            cache.add(b"hot", VALUE)
    assert cache.get(b"00") is None


def test_the_bound_holds() -> None:
    cache = CleanCache(8 * ONE)
    random = Random(1)
    for _ in range(500):
        key = b"k%d" % random.randrange(50)
        if cache.get(key) is None:
            cache.add(key, VALUE)
        assert cache.facts()["clean_cache_keys"] <= 9
        cache.discard_slice()


def test_without_memory_it_keeps_next_to_nothing() -> None:
    cache = CleanCache(0)
    cache.add(b"a", VALUE)
    cache.add(b"b", VALUE)
    assert cache.peek(b"a") is None


def test_peeking_changes_nothing() -> None:
    cache = CleanCache(4 * ONE)
    cache.add(b"old", VALUE)
    cache.add(b"o2", VALUE)
    cache.add(b"o3", VALUE)
    assert cache.peek(b"old") == VALUE
    assert cache.peek_many([b"old", b"none"]) == {b"old": VALUE, b"none": None}
    assert (cache.hits, cache.misses) == (0, 0)


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_removed_is_gone_from_both_generations(turned: bool) -> None:
    cache = CleanCache(100 * ONE)
    for key in (b"a", b"b", b"c"):
        cache.add(key, VALUE)
    if turned:
        cache._old, cache._young = cache._young, {b"b": VALUE}
    cache.remove(b"b")
    assert cache.get(b"b") is None
    cache.remove_range(b"a", b"c")
    assert [cache.get(key) for key in (b"a", b"b", b"c")] == [None, None, VALUE]
    cache.clear()
    assert cache.get(b"c") is None


def test_many_at_once_replace_what_was_there() -> None:
    cache = CleanCache(10_000)
    cache.add(b"a", b"old")
    new: dict[bytes, CachedEntry] = {b"a": b"new", b"b": Separated(bytes(20), b"head")}
    cache.add_many(new, entries_bytes(new))
    assert cache.get(b"a") == b"new"
    assert cache.get(b"b") is new[b"b"]


def test_what_is_dropped_does_not_pile_up() -> None:
    """However much is added between two slices: memory would grow as long as writes go on."""
    cache = CleanCache(1000 * ONE)
    for drained in range(150):
        new: dict[bytes, CachedEntry] = {
            b"%d %d" % (drained, number): VALUE for number in range(5000)
        }
        cache.add_many(new, entries_bytes(new))
        cache.discard_slice()
    slices = 1
    while cache.discard_slice():
        slices += 1
    # Slices are of 2000 entries at least; without a bound half a million would wait here.
    assert slices < 110


def test_what_was_dropped_is_freed_in_slices() -> None:
    cache = CleanCache(1 << 30)
    for number in range(5000):
        cache.add(b"%d" % number, b"")
    cache.clear()
    steps = 1
    while cache.discard_slice():
        steps += 1
    assert steps >= 3
    assert not cache.discard_slice()
