"""Pages and random picks among elements that are ordered by hash."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from kiwi_engine.checksum import crc32c_unchecked as crc32c
from kiwi_engine.keyspace.spread import element_scan
from kiwi_engine.keyspace.spread.versions import MEMBERS, element_prefix
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import new_store

PREFIX = element_prefix(MEMBERS, 7)
HASH_AT = len(PREFIX)


def stored(names: list[bytes]) -> tuple[MemoryStore, list[bytes]]:
    """A store with a spread set of `names`, and with the neighbours of its table; the keys."""
    store = new_store()
    keys = [PREFIX + crc32c(name).to_bytes(4, "big") + name for name in names]
    for key in keys:
        store.put(key, b"")
    store.put(element_prefix(MEMBERS, 6) + b"\xff\xff\xff\xffz", b"")
    store.put(element_prefix(MEMBERS, 8) + b"\x00\x00\x00\x00a", b"")
    return store, keys


def numbered(count: int) -> tuple[MemoryStore, list[bytes]]:
    return stored([b"%d" % number for number in range(count)])


def of_one_hash(count: int) -> tuple[MemoryStore, list[bytes]]:
    """What somebody can do who chooses names by their CRC-32C."""
    store = new_store()
    keys = [PREFIX + b"\x80\x00\x00\x00%d" % number for number in range(count)]
    for key in keys:
        store.put(key, b"")
    return store, keys


@pytest.mark.parametrize("total", [1, 2, 50, 500])
def test_every_element_is_picked_as_often(total: int) -> None:
    store, keys = numbered(total)
    random = Random(total)
    rounds = 20 if total > 100 else 100
    counts = Counter(element_scan.pick(store, PREFIX, total, random) for _ in range(rounds * total))
    assert set(counts) <= set(keys)
    # Squared distances from the expected number, in units of what chance alone makes of them:
    # 1 on average. One of some neighbours of a random hash would give more than 1.4 here.
    strain = sum((counts[key] - rounds) ** 2 for key in keys) / rounds / total
    assert strain < 1.15 if total > 2 else strain < 4


@pytest.mark.parametrize("make", [numbered, of_one_hash])
@pytest.mark.parametrize("total", [1, 40, 4000])
def test_a_sample_has_no_element_twice(make: object, total: int) -> None:
    assert callable(make)
    store, keys = make(total)
    random = Random(1)
    for count in {1, 2, 39, 100, total // 40, total - 1}:
        if 0 < count <= total:
            sample = element_scan.sample(store, PREFIX, total, count, random)
            assert len(sample) == len(set(sample)) == count
            assert set(sample) <= set(keys)


@pytest.mark.parametrize("make", [numbered, of_one_hash])
def test_samples_that_may_repeat_are_of_any_length(make: object) -> None:
    assert callable(make)
    store, keys = make(500)
    random = Random(2)
    for count in (1, 3, 100, 499, 5000):
        sample = element_scan.sample_repeating(store, PREFIX, 500, count, random)
        assert len(sample) == count
        assert set(sample) <= set(keys)
    assert set(sample) == set(keys)


def test_samples_repeat_as_often_as_independent_picks() -> None:
    total, count = 1000, 200
    store, _ = numbered(total)
    random = Random(3)
    distinct = [
        len(set(element_scan.sample_repeating(store, PREFIX, total, count, random)))
        for _ in range(100)
    ]
    expected = total * (1 - (1 - 1 / total) ** count)  # 181.4
    assert abs(sum(distinct) / len(distinct) - expected) < 1.5


def test_elements_of_one_sample_are_not_all_neighbours() -> None:
    """Those who draw two opponents must not always get the same pairs."""
    total = 4096
    store, _ = numbered(total)
    random = Random(4)
    distances = []
    for _ in range(200):
        first, second = element_scan.sample(store, PREFIX, total, 2, random)
        places = [int.from_bytes(key[HASH_AT : HASH_AT + 4], "big") for key in (first, second)]
        distances.append(abs(places[0] - places[1]) / 2**32)
    assert sum(distances) / len(distances) > 0.25  # a third is expected


def test_a_small_sample_of_a_large_collection_reads_little_of_it() -> None:
    store, _ = numbered(20_000)
    walked = 0
    honest_range = store.range

    def counted(begin: bytes, end: bytes, *, reverse: bool = False) -> object:
        nonlocal walked
        for row in honest_range(begin, end, reverse=reverse):
            walked += 1
            yield row

    store.range = counted  # type: ignore[method-assign,assignment]
    element_scan.sample(store, PREFIX, 20_000, 100, Random(5))
    assert walked < 2000


def test_pages_hold_all_of_one_hash_together() -> None:
    store, keys = of_one_hash(20)
    page = element_scan.page(store, PREFIX, 0, 5)
    assert [key for key, _ in page.rows] == sorted(keys)
    assert page.cursor == element_scan.PAGES_END


def test_pages_follow_each_other() -> None:
    store, keys = numbered(100)
    cursor, found, pages = 0, [], 0
    while cursor or not pages:
        page = element_scan.page(store, PREFIX, cursor, 7)
        found += [key for key, _ in page.rows]
        cursor, pages = page.cursor, pages + 1
    assert found == sorted(keys)
    assert pages == 15
    assert element_scan.page(store, PREFIX, 2**32, 7) == (element_scan.PAGES_END, [])
