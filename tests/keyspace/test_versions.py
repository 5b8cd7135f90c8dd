"""Version numbers are never used twice, and each is registered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.spread.versions import (
    LOT,
    TABLE_NAMES,
    TABLES,
    Home,
    Versions,
    decode_home,
    element_prefix,
    encode_home,
    parse_registry_key,
    registry_key,
)
from tests.keyspace.helpers import new_store

HOME = Home(encoding.SET_KIND, 3, b"key")


def test_numbers_grow_and_a_lot_is_stored_once() -> None:
    store = new_store()
    versions = Versions(store)
    assert versions.new(HOME) == 1
    lot_end = store.get(encoding.META_NEXT_VERSION)
    assert lot_end == (LOT + 1).to_bytes(8, "big")
    numbers = [versions.new(HOME) for _ in range(LOT - 1)]
    assert numbers == list(range(2, LOT + 1))
    assert store.get(encoding.META_NEXT_VERSION) == lot_end
    assert versions.new(HOME) == LOT + 1
    assert store.get(encoding.META_NEXT_VERSION) == (2 * LOT + 1).to_bytes(8, "big")


def test_each_number_is_registered_and_can_move() -> None:
    store = new_store()
    versions = Versions(store)
    version = versions.new(HOME)
    stored = store.get(registry_key(version))
    assert stored is not None and decode_home(stored) == HOME
    versions.move(version, HOME._replace(namespace=9, key=b""))
    stored = store.get(registry_key(version))
    assert stored is not None and decode_home(stored) == Home(encoding.SET_KIND, 9, b"")
    assert store.recent_counts()[encoding.VERSIONS_COUNTER] == 1


def test_a_restart_leaves_the_rest_of_the_lot_out() -> None:
    store = new_store()
    Versions(store).new(HOME)
    assert Versions(store).new(HOME) == LOT + 1


def test_numbers_in_use_are_skipped() -> None:
    versions = Versions(new_store())
    versions.skip(41)
    assert versions.new(HOME) == 42
    versions.skip(7)
    assert versions.new(HOME) == 43


@given(st.lists(st.sampled_from(["new", "restart", "commit", "roll back", "skip"]), max_size=60))
@settings(derandomize=True)
def test_no_durable_number_is_given_out_again(steps: list[str]) -> None:
    """A rolled back command may have used a number that nobody will ever see."""
    store = new_store()
    versions = Versions(store)
    durable = store.snapshot()
    used: set[int] = set()
    pending: set[int] = set()
    for step in steps:
        match step:
            case "new":
                version = versions.new(HOME)
                assert version not in used | pending
                pending.add(version)
            case "skip":
                versions.skip(max(used | pending, default=0))
            case "roll back":
                store.restore(durable)
                versions.reload()
                pending.clear()
            case _:
                durable = store.snapshot()
                used |= pending
                pending.clear()
                if step == "restart":
                    versions = Versions(store)
    registered = {parse_registry_key(key) for key in store.snapshot() if key[:1] == b"c"}
    assert registered == used | pending


@given(st.integers(0, 15), st.integers(0, 2**32 - 1), st.binary(), st.integers(0, 2**64 - 1))
def test_the_registry_comes_back_as_it_was(
    kind: int, namespace: int, key: bytes, version: int
) -> None:
    home = Home(kind, namespace, key)
    assert decode_home(encode_home(home)) == home
    assert parse_registry_key(registry_key(version)) == version


def test_the_tables_are_apart_from_each_other_and_from_all_else() -> None:
    letters = [table for tables in TABLES.values() for table in tables]
    others = [b"d", b"x", b"y", b"m", encoding.EMBEDDED, encoding.REGISTRY, b"\x00"]
    assert len(set(letters + others)) == len(letters) + len(others)
    assert TABLE_NAMES.keys() == set(letters)
    assert all(element_prefix(table, 1) < element_prefix(table, 2) for table in letters)
