"""Deadlines of the fields of hashes, in both forms, and what removes the expired ones."""

from __future__ import annotations

from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.hashes.opening import open_or_new
from kiwi_engine.keyspace.spread.roots import (
    HASHTABLE,
    HASHTABLE_EX,
    LISTPACK,
    LISTPACK_EX,
)
from kiwi_engine.keyspace.spread.versions import (
    FIELD_DEADLINES,
)
from tests.keyspace.hash_helpers import (
    FORMS,
    LATER,
    check_hashes,
    filled,
    reopened,
    small_keyspace,
)
from tests.keyspace.helpers import NOW, new_store


@FORMS
def test_a_field_lives_through_its_deadline_and_no_longer(packed_max_entries: int) -> None:
    store = new_store()
    database = small_keyspace(store, packed_max_entries).database(0)
    found = filled(database, b"k", b"abc")
    found.set_deadline(b"a", LATER)
    found.save()
    found = reopened(database, b"k", LATER)
    assert (found.get(b"a"), found.deadline(b"a"), found.count) == (b"a", LATER, 3)
    before = store.snapshot()
    found = reopened(database, b"k", LATER + 1)
    assert found.get(b"a") is None
    assert found.deadline(b"a") is None
    assert not found.has(b"a")
    assert found.count == 2
    assert sorted(found.fields()) == [b"b", b"c"]
    assert dict(found.items()) == {b"b": b"b", b"c": b"c"}
    assert dict(found.scan(0, 100)[1]) == {b"b": b"b", b"c": b"c"}
    assert store.snapshot() == before, "a reader removes nothing"
    check_hashes(store)


@FORMS
def test_an_expired_field_is_new_again(packed_max_entries: int) -> None:
    store = new_store()
    database = small_keyspace(store, packed_max_entries).database(0)
    found = filled(database, b"k", b"abc")
    for field in (b"a", b"b"):
        found.set_deadline(field, LATER)
    found.save()
    found = reopened(database, b"k", LATER + 1)
    assert found.set(b"a", b"again")
    found.update(b"b", b"again")
    assert not found.delete(b"x")
    found.save()
    found = reopened(database, b"k", LATER + 1)
    assert dict(found.items()) == {b"a": b"again", b"b": b"again", b"c": b"c"}
    assert (found.deadline(b"a"), found.deadline(b"b")) == (0, 0)
    check_hashes(store)


@FORMS
def test_setting_a_field_takes_its_deadline_and_updating_keeps_it(packed_max_entries: int) -> None:
    store = new_store()
    database = small_keyspace(store, packed_max_entries).database(0)
    found = filled(database, b"k", b"abc")
    for field in (b"a", b"b"):
        found.set_deadline(field, LATER)
    assert not found.set(b"a", b"1")
    found.update(b"b", b"1")
    found.save()
    found = reopened(database, b"k")
    assert [found.deadline(field) for field in (b"a", b"b", b"c")] == [0, LATER, 0]
    check_hashes(store)


@FORMS
def test_a_listpack_with_deadlines_is_ordered_by_them(packed_max_entries: int) -> None:
    database = small_keyspace(new_store(), packed_max_entries).database(0)
    found = filled(database, b"k", b"abcd")
    found.set_deadline(b"d", LATER + 1)
    found.set_deadline(b"c", LATER)
    found.set_deadline(b"b", LATER + 1)
    found.save()
    found = reopened(database, b"k")
    assert found.root.encoding == LISTPACK_EX
    assert b"".join(found.fields()) == b"cdba"
    found.set_deadline(b"d", 0)
    found.save()
    found = reopened(database, b"k")
    assert b"".join(found.fields()) == b"cbad"
    found.set(b"c", b"with its deadline it loses its place"[:15])
    found.set(b"b", b"")
    found.save()
    found = reopened(database, b"k")
    assert b"".join(found.fields()) == b"adcb"
    for field in (b"a", b"d", b"c"):
        found.set_deadline(field, LATER)
    found.update(b"a", b"in its place")
    found.set_deadline(b"a", LATER)
    found.update(b"d", b"in its place")
    found.save()
    assert b"".join(reopened(database, b"k").fields()) == b"dcab"


@FORMS
def test_the_encoding_remembers_deadlines(packed_max_entries: int) -> None:
    database = small_keyspace(new_store(), packed_max_entries).database(0)
    found = filled(database, b"k", [b"%d" % number for number in range(9)])
    assert found.root.encoding == HASHTABLE
    found.set_deadline(b"1", LATER)
    found.set_deadline(b"1", 0)
    found.save()
    assert reopened(database, b"k").root.encoding == HASHTABLE_EX


def test_a_hash_whose_fields_have_all_expired_begins_anew() -> None:
    store = new_store()
    database = small_keyspace(store, 1000).database(0)
    filled(database, b"k", b"a")
    found = reopened(database, b"k")
    found.set_deadline(b"a", LATER)
    found.save()
    database.set_deadline(b"k", LATER + 1000, NOW)
    found = open_or_new(database, b"k", LATER + 1)
    found.set(b"b", b"1")
    found.save()
    assert database.deadline(b"k", LATER + 1) == 0
    assert reopened(database, b"k", LATER + 1).root.encoding == LISTPACK
    assert sorted(key[:1] for key in store.snapshot()) == [b"d"]


# Active expiry


@FORMS
def test_the_cycle_removes_what_has_expired_and_the_hash_with_its_last_field(
    packed_max_entries: int,
) -> None:
    store = new_store()
    keyspace = small_keyspace(store, packed_max_entries)
    database = keyspace.database(0)
    found = filled(database, b"k", b"abc")
    for field, deadline_ms in ((b"a", LATER), (b"b", LATER + 10), (b"c", LATER + 10)):
        found.set_deadline(field, deadline_ms)
    found.save()
    assert keyspace.expire_fields(LATER, 100) == 0
    assert keyspace.expire_fields(LATER + 1, 100) == 1
    assert keyspace.expiry.fields_floor_ms == LATER + 10
    assert dict(reopened(database, b"k").items()) == {b"b": b"b", b"c": b"c"}
    check_hashes(store)
    assert keyspace.expire_fields(LATER + 11, 100) == 2
    assert keyspace.expiry.expired_fields == 3
    assert keyspace.key_count(database) == 0
    keyspace.reclaim(100)
    assert set(store.snapshot()) <= {b"mversion"}


def test_the_cycle_stops_at_its_limit_and_goes_on_there() -> None:
    store = new_store()
    keyspace = small_keyspace(store, 1)
    database = keyspace.database(0)
    for key in (b"k", b"l"):
        found = filled(database, key, b"abcde")
        for field in list(found.fields())[:4]:
            found.set_deadline(field, LATER)
        found.save()
    left = [16 - 8]
    for _ in range(4):
        assert keyspace.expire_fields(LATER + 1, 3) in (2, 3)
        left.append(sum(key[:1] == FIELD_DEADLINES for key in store.snapshot()))
        check_hashes(store)
        if not left[-1]:
            break
    assert left == [8, 5, 2, 0]
    assert keyspace.expire_fields(LATER + 1, 3) == 0


@FORMS
def test_an_entry_of_another_deadline_is_dropped_in_its_time(packed_max_entries: int) -> None:
    store = new_store()
    keyspace = small_keyspace(store, packed_max_entries)
    database = keyspace.database(0)
    for deadline_ms in (LATER, LATER + 10):
        database.delete(b"k", NOW)
        found = filled(database, b"k", b"ab")
        found.set_deadline(b"a", deadline_ms)
        found.save()
    for key in (b"gone", b"text"):
        found = filled(database, key, b"ab")
        found.set_deadline(b"a", LATER)
        found.save()
    database.delete(b"gone", NOW)
    database.set(b"text", b"")
    keyspace.expire_fields(LATER + 1, 100)
    entries = [key for key in store.snapshot() if key[:1] == b"y"]
    assert entries == [encoding.field_expiry_key(LATER + 10, 0, b"k")]
    assert reopened(database, b"k").count == 2


def test_the_entries_of_a_flushed_database_are_dropped() -> None:
    store = new_store()
    keyspace = small_keyspace(store, 1)
    found = filled(keyspace.database(0), b"k", b"ab")
    found.set_deadline(b"a", LATER)
    found.save()
    keyspace.flush([0])
    keyspace.expire_fields(LATER + 1, 100)
    while keyspace.reclaim(100):
        pass
    assert {key[:1] for key in store.snapshot()} == {b"m"}
