"""Namespaces, the expiry cycle and the facts."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace import keyspace as keyspace_module
from kiwi_engine.keyspace.keyspace import DatabaseFacts, Keyspace
from tests.keyspace.helpers import NOW, check_structure, new_keyspace, new_store


def fill(keyspace: Keyspace, database: int, count: int, deadline_ms: int = 0) -> None:
    for number in range(count):
        key = b"key:%d" % number
        if deadline_ms:
            keyspace.database(database).set_expiring(key, b"v", deadline_ms)
        else:
            keyspace.database(database).set(key, b"v")


def test_an_unused_keyspace_writes_nothing() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    keyspace.flush(range(16))
    keyspace.swap(3, 3)
    assert keyspace.expire_cycle(NOW, 10) == keyspace.reclaim(10) == 0
    assert store.snapshot() == {}


@pytest.mark.parametrize("index", [-1, 16, 1000])
def test_only_numbered_databases_exist(index: int) -> None:
    with pytest.raises(IndexError):
        new_keyspace().database(index)


def test_flush_empties_one_database_in_constant_time() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    fill(keyspace, 0, 100)
    fill(keyspace, 1, 1)
    before = set(store.snapshot())
    keyspace.flush([0])
    assert keyspace.database(0).get(b"key:1", NOW) is None
    assert keyspace.database(1).get(b"key:0", NOW) == b"v"
    assert keyspace.key_count(keyspace.database(0)) == 0
    assert len(store.snapshot().keys() - before) == 2
    keyspace.database(0).set(b"key:1", b"new")
    assert new_keyspace(store).database(0).get(b"key:1", NOW) == b"new"


@pytest.mark.parametrize("limit", [1, 7, 1000])
@pytest.mark.parametrize("deadline_ms", [0, NOW + 5])
def test_reclaim_leaves_nothing_of_the_dead_behind(limit: int, deadline_ms: int) -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    fill(keyspace, 0, 50, deadline_ms)
    fill(keyspace, 1, 3, deadline_ms)
    keyspace.flush([0, 1])
    keyspace.database(0).set(b"new", b"1")
    while keyspace.dead_namespaces:
        assert 0 < keyspace.reclaim(limit) <= limit
        # A restart at any moment goes on where the last one stopped.
        keyspace = new_keyspace(store)
    assert keyspace.reclaim(limit) == 0
    living = keyspace.database(0).stored_key(b"new")
    assert store.snapshot().keys() == {encoding.META_NAMESPACES, living}


def test_reclaim_without_deadlines_is_one_range_deletion() -> None:
    keyspace = new_keyspace()
    fill(keyspace, 0, 500)
    keyspace.flush([0])
    assert keyspace.reclaim(1) == 1
    assert keyspace.dead_namespaces == 0


@pytest.mark.parametrize("restarting", [False, True])
def test_reclaim_of_many_keys_comes_in_parts(
    restarting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyspace_module, "RECLAIMED_AT_ONCE", 100)
    store = new_store()
    keyspace = new_keyspace(store)
    fill(keyspace, 0, 1000)
    fill(keyspace, 1, 1)
    keyspace.flush([0])
    left = [len(store.snapshot())]
    while keyspace.dead_namespaces:
        assert keyspace.reclaim(10) == 1
        left.append(len(store.snapshot()))
        if restarting:
            keyspace = new_keyspace(store)
    assert all(0 <= before - after < 250 for before, after in pairwise(left))
    assert len(left) >= 6
    assert len(store.snapshot()) == 2, "the map and the key of the other database"


def test_reclaim_begins_again_after_a_rollback() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    fill(keyspace, 0, 5, NOW + 5)
    keyspace.flush([0])
    before = store.snapshot()
    keyspace.reclaim(3)
    store.restore(before)
    keyspace.reload()
    while keyspace.reclaim(3):
        pass
    assert store.snapshot().keys() == {encoding.META_NAMESPACES}


def test_numbers_of_namespaces_are_never_used_again() -> None:
    store = new_store()
    seen = set(range(16))
    for _ in range(20):
        keyspace = new_keyspace(store)
        keyspace.database(5).set(b"a", b"1")
        keyspace.flush([5])
        keyspace.reclaim(10)
        assert keyspace.database(5).namespace not in seen
        seen.add(keyspace.database(5).namespace)


def test_swap_is_seen_by_the_same_objects_and_after_a_restart() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    first, second = keyspace.database(0), keyspace.database(9)
    first.set(b"a", b"1")
    keyspace.swap(0, 9)
    assert first.get(b"a", NOW) is None
    assert second.get(b"a", NOW) == b"1"
    assert new_keyspace(store).database(9).get(b"a", NOW) == b"1"


def test_reload_follows_a_rollback() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    keyspace.database(0).set_expiring(b"a", b"1", NOW)
    before = store.snapshot()
    keyspace.expire_cycle(NOW + 1, 10)
    keyspace.database(0).set(b"b", b"2")
    keyspace.flush([0])
    keyspace.swap(1, 2)
    store.restore(before)
    keyspace.reload()
    assert keyspace.dead_namespaces == 0
    assert keyspace.database(0).get(b"a", NOW) == b"1"
    assert [keyspace.database(n).namespace for n in range(3)] == [0, 1, 2]
    assert keyspace.expire_cycle(NOW + 1, 10) == 1, (
        "the entry is back, so the cycle must look again"
    )


def test_the_number_of_databases_may_change() -> None:
    store = new_store()
    wide = new_keyspace(store, databases=20)
    wide.database(19).set_expiring(b"a", b"1", NOW + 10)
    wide.database(0).set(b"x", b"1")
    wide.flush([0])
    narrow = new_keyspace(store, databases=4)
    with pytest.raises(IndexError):
        narrow.database(19)
    narrow.database(1).set(b"y", b"1")
    narrow.flush([1])
    assert narrow.expire_cycle(NOW + 1, 10) == 0
    assert narrow.facts(NOW) == []
    wider = new_keyspace(store, databases=40)
    assert wider.database(19).get(b"a", NOW) == b"1"
    namespaces = [wider.database(index).namespace for index in range(40)]
    assert len(set(namespaces)) == 40
    again = new_keyspace(store, databases=40)
    assert [again.database(index).namespace for index in range(40)] == namespaces


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_cycle_removes_what_is_due_and_nothing_else(limit: int) -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    fill(keyspace, 0, 10, NOW - 1)
    keyspace.database(1).set_expiring(b"due", b"", NOW - 1)
    keyspace.database(1).set_expiring(b"now", b"", NOW)
    keyspace.database(1).set_expiring(b"later", b"", NOW + 1)
    removed = 0
    while done := keyspace.expire_cycle(NOW, limit):
        removed += done
        check_structure(store)
    assert removed == keyspace.expiry.expired_count == 11
    assert keyspace.key_count(keyspace.database(0)) == 0
    assert keyspace.key_count(keyspace.database(1)) == 2


def test_the_cycle_drops_stale_entries_and_keeps_their_keys() -> None:
    store = new_store(lambda _key: False)
    keyspace = new_keyspace(store)
    database = keyspace.database(0)
    for key in (b"overwritten", b"later", b"gone"):
        database.set_expiring(key, b"", NOW - 1)
    database.set(b"overwritten", b"1")
    database.set_expiring(b"later", b"", NOW + 1)
    database.set(b"gone", b"1")
    database.delete(b"gone", NOW)
    assert keyspace.expire_cycle(NOW, 10) == 3
    assert keyspace.expiry.expired_count == 0
    assert database.get(b"overwritten", NOW) == b"1"
    assert database.get(b"later", NOW) == b""
    check_structure(store)


def test_the_cycle_forgets_entries_of_flushed_databases() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    keyspace.database(0).set_expiring(b"a", b"", NOW - 1)
    keyspace.flush([0])
    assert keyspace.expire_cycle(NOW, 10) == 1
    assert keyspace.expiry.expired_count == 0


def test_a_deadline_before_the_last_cycle_is_found_by_the_next() -> None:
    keyspace = new_keyspace()
    keyspace.expire_cycle(NOW, 10)
    keyspace.database(0).set_expiring(b"a", b"", 5)
    assert keyspace.expire_cycle(NOW, 10) == 1
    assert keyspace.key_count(keyspace.database(0)) == 0


def test_a_clock_that_goes_back_expires_nothing_early() -> None:
    keyspace = new_keyspace()
    keyspace.expire_cycle(NOW, 10)
    keyspace.database(0).set_expiring(b"a", b"", NOW - 500)
    assert keyspace.expire_cycle(NOW - 1000, 10) == 0
    assert keyspace.expire_cycle(NOW - 400, 10) == 1


def test_facts_are_exact_and_the_mean_is_of_the_sample() -> None:
    keyspace = new_keyspace()
    fill(keyspace, 0, 30)
    fill(keyspace, 2, 500, NOW + 4000)
    keyspace.database(2).set(b"no deadline", b"")
    assert keyspace.facts(NOW) == [DatabaseFacts(0, 30, 0, 0), DatabaseFacts(2, 501, 500, 4000)]
    assert keyspace.facts(NOW + 9000)[1].average_ttl_ms == 0
