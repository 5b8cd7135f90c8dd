"""SCAN, KEYS and RANDOMKEY."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.checksum import crc32c_unchecked
from kiwi_engine.keyspace import iteration
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.iteration import SCAN_END, Filter
from tests.keyspace.helpers import NOW, new_keyspace

EVERYTHING = Filter()
# Two names of one length and one CRC-32C; so every chain of them has one CRC-32C, too.
COLLIDING = (b"7d9e1008b9ec17a", b"279ec1f352c878a")


def whole_scan(database: Database, count: int, wanted: Filter = EVERYTHING) -> list[list[bytes]]:
    """The pages of a whole scan."""
    pages, cursor = [], 0
    while True:
        page = iteration.scan(database, cursor, count, wanted, NOW)
        pages.append(page.keys)
        assert page.cursor == SCAN_END or page.cursor > cursor, "a scan must come to its end"
        if page.cursor == SCAN_END:
            return pages
        cursor = page.cursor


def filled(count: int) -> Database:
    database = new_keyspace().database(0)
    for number in range(count):
        database.set(b"key:%d" % number, b"v")
    return database


@pytest.mark.parametrize("count", [1, 10, 99, 100, 101])
def test_pages_have_the_size_asked_for(count: int) -> None:
    pages = whole_scan(filled(100), count)
    assert sorted(key for page in pages for key in page) == sorted(
        b"key:%d" % n for n in range(100)
    )
    assert all(len(page) == count for page in pages[:-1])
    assert len(pages) == -(-100 // count)


def test_keys_of_one_hash_share_a_page() -> None:
    database = filled(20)
    chains = {b"".join(chain) for chain in product(COLLIDING, repeat=4)}
    assert len({crc32c_unchecked(key) for key in chains}) == 1
    for key in chains:
        database.set(key, b"v")
    pages = whole_scan(database, 1)
    assert sum(len(page) for page in pages) == 36
    assert chains in [set(page) for page in pages]


def test_cursors_beyond_all_hashes_are_at_the_end() -> None:
    for cursor in (2**32, 2**64 - 1):
        assert iteration.scan(filled(5), cursor, 10, EVERYTHING, NOW) == (SCAN_END, [])


def test_filters_select_but_do_not_end_a_scan() -> None:
    database = filled(50)
    database.write_value(b"other", b"\x00v")
    assert sum(map(len, whole_scan(database, 5, Filter(b"key:1*")))) == 11
    assert sum(map(len, whole_scan(database, 5, Filter(kind=b"string")))) == 51
    assert sum(map(len, whole_scan(database, 5, Filter(kind=b"hash")))) == 0
    assert len(whole_scan(database, 5, Filter(b"nothing"))) == 11


def test_expired_keys_are_not_shown_and_go() -> None:
    keyspace = new_keyspace()
    database = keyspace.database(0)
    for number in range(20):
        database.set_expiring(b"%d" % number, b"", NOW - 1 if number % 2 else NOW + 1)
    shown = [key for page in whole_scan(database, 3) for key in page]
    assert sorted(shown) == sorted(b"%d" % number for number in range(0, 20, 2))
    assert keyspace.expiry.expired_count == 10
    assert iteration.find_keys(database, b"*", NOW + 2) == []
    assert keyspace.key_count(database) == 0


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_is_there_all_the_time_is_returned_once(data: st.DataObject) -> None:
    database = filled(data.draw(st.integers(0, 40)))
    lasting = set(iteration.find_keys(database, b"*", NOW))
    seen: list[bytes] = []
    cursor = 0
    while True:
        count = data.draw(st.integers(1, 9))
        page = iteration.scan(database, cursor, count, EVERYTHING, NOW)
        seen += page.keys
        cursor = page.cursor
        if cursor == SCAN_END:
            break
        for name in data.draw(st.lists(st.binary(max_size=2), max_size=5)):
            if name in lasting or data.draw(st.booleans()):
                database.set(name, b"")
            else:
                database.delete(name, NOW)
    assert lasting <= set(seen)
    assert len(set(seen)) == len(seen)


def test_keys_finds_literal_names_without_walking() -> None:
    keyspace = new_keyspace()
    database = keyspace.database(0)
    database.set(b"a", b"")
    database.set(b"", b"")
    assert iteration.find_keys(database, b"a", NOW) == [b"a"]
    assert iteration.find_keys(database, b"b", NOW) == []
    assert sorted(iteration.find_keys(database, b"*", NOW)) == [b"", b"a"]
    assert iteration.find_keys(database, b"", NOW) == [b""]
    assert iteration.find_keys(database, b"**", NOW) == [b"a"]


def test_random_keys_are_alive_and_reach_every_key() -> None:
    database = filled(8)
    random = Random(3)
    seen = {iteration.random_key(database, random, NOW) for _ in range(400)}
    assert seen == {b"key:%d" % number for number in range(8)}


def test_random_key_passes_over_expired_ones() -> None:
    keyspace = new_keyspace()
    database = keyspace.database(0)
    assert iteration.random_key(database, keyspace.random, NOW) is None
    for number in range(20):
        database.set_expiring(b"%d" % number, b"", NOW - 1)
    database.set(b"alive", b"")
    assert iteration.random_key(database, keyspace.random, NOW) == b"alive"
    database.delete(b"alive", NOW)
    assert iteration.random_key(database, keyspace.random, NOW) is None
    assert keyspace.key_count(database) == 0
