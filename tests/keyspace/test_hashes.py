"""Hashes in both forms: forms, encodings, order, bytes and choices."""

from __future__ import annotations

from collections import Counter

import pytest

from kiwi_engine.errors import WrongTypeError
from kiwi_engine.keyspace.hashes import spread as hash_spread
from kiwi_engine.keyspace.hashes.opening import open_hash, open_or_new
from kiwi_engine.keyspace.hashes.packed import PackedHash
from kiwi_engine.keyspace.hashes.spread import SpreadHash
from kiwi_engine.keyspace.spread.roots import (
    HASHTABLE,
    LISTPACK,
)
from kiwi_engine.keyspace.spread.versions import (
    FIELDS,
)
from tests.keyspace.hash_helpers import (
    FORMS,
    LATER,
    check_hashes,
    filled,
    reopened,
    small_keyspace,
)
from tests.keyspace.helpers import NOW, new_keyspace, new_store
from tests.support.worked_examples import documented_entries

# Forms and encodings


@FORMS
def test_the_form_follows_from_the_size(packed_max_entries: int) -> None:
    store = new_store()
    found = filled(small_keyspace(store, packed_max_entries).database(0), b"k", b"ab")
    assert isinstance(found, PackedHash if packed_max_entries > 2 else SpreadHash)
    assert found.count == 2
    assert (found.get(b"a"), found.get(b"x"), found.has(b"b")) == (b"a", None, True)
    check_hashes(store)


def test_a_hash_of_many_bytes_is_spread_and_stays_so() -> None:
    store = new_store()
    keyspace = small_keyspace(store, 1000)
    keyspace.limits.packed_max_bytes = 20
    database = keyspace.database(0)
    assert isinstance(filled(database, b"k", b"abc"), PackedHash)
    found = filled(database, b"k", b"d")
    assert isinstance(found, SpreadHash)
    for field in (b"a", b"b", b"c"):
        assert found.delete(field)
    found.save()
    assert isinstance(reopened(database, b"k"), SpreadHash)
    check_hashes(store)


@FORMS
def test_small_hashes_keep_the_order_of_their_fields(packed_max_entries: int) -> None:
    database = small_keyspace(new_store(), packed_max_entries).database(0)
    found = filled(database, b"k", b"dbca")
    found.set(b"b", b"2")
    found.delete(b"c")
    found.set(b"c", b"3")
    found.save()
    found = reopened(database, b"k")
    assert found.root.encoding == LISTPACK
    assert list(found.items()) == [(b"d", b"d"), (b"b", b"2"), (b"a", b"a"), (b"c", b"3")]
    assert list(found.fields()) == [b"d", b"b", b"a", b"c"]
    cursor, items = found.scan(0, 1)
    assert (cursor, list(items)) == (0, list(found.items()))


@FORMS
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([b"a" * 15], LISTPACK),
        ([b"a" * 16], HASHTABLE),
        ([b"a", b"b", b"c", b"d", b"e"], LISTPACK),
        ([b"a", b"b", b"c", b"d", b"e", b"f"], HASHTABLE),
    ],
)
def test_the_encoding_is_that_of_redis(
    packed_max_entries: int, fields: list[bytes], expected: int
) -> None:
    database = small_keyspace(new_store(), packed_max_entries).database(0)
    found = filled(database, b"k", fields)
    assert found.root.encoding == expected
    for field in fields[1:]:
        found.delete(field)
    found.save()
    assert reopened(database, b"k").root.encoding == expected, "it never goes back"


@FORMS
def test_many_arguments_make_a_hash_table_whatever_they_are(packed_max_entries: int) -> None:
    database = small_keyspace(new_store(), packed_max_entries).database(0)
    for before in (b"", b"ab"):
        found = open_or_new(database, b"k" + before, NOW)
        for byte in before:
            found.set(bytes((byte,)), b"")
        found.expect(5)
        assert found.root.encoding == LISTPACK
        found.expect(6)
        assert found.root.encoding == HASHTABLE


@FORMS
def test_the_last_field_takes_the_key_with_it(packed_max_entries: int) -> None:
    store = new_store()
    keyspace = small_keyspace(store, packed_max_entries)
    database = keyspace.database(0)
    found = filled(database, b"k", b"ab")
    found.set_deadline(b"a", LATER)
    found.save()
    database.set_deadline(b"k", LATER, NOW)
    found = reopened(database, b"k")
    assert [found.delete(field) for field in (b"a", b"b", b"b")] == [True, True, False]
    found.save()
    assert open_hash(database, b"k", NOW) is None
    assert keyspace.key_count(database) == 0
    keyspace.reclaim(100)
    assert set(store.snapshot()) <= {b"mversion"}


def test_other_kinds_are_refused() -> None:
    database = new_keyspace().database(0)
    database.set(b"k", b"text")
    with pytest.raises(WrongTypeError):
        open_hash(database, b"k", NOW)


def test_a_field_of_a_large_hash_is_set_without_reading_others() -> None:
    store = new_store()
    database = small_keyspace(store, 1).database(0)
    filled(database, b"k", [b"%d" % number for number in range(100)])
    store.reads = 0
    found = reopened(database, b"k")
    assert found.set(b"new", b"1")
    assert not found.set(b"5", b"1")
    found.save()
    assert store.reads == 3  # the root and two fields
    assert found.count == 101


def test_a_changed_value_does_not_touch_the_root_of_a_large_hash() -> None:
    store = new_store()
    database = small_keyspace(store, 1).database(0)
    filled(database, b"k", b"abcdefgh")
    before = store.snapshot()
    found = reopened(database, b"k")
    found.set(b"a", b"2")
    found.save()
    changed = {key for key, value in store.snapshot().items() if before.get(key) != value}
    assert [key[:1] for key in changed] == [FIELDS]


@FORMS
def test_the_stored_bytes_are_the_documented_ones(packed_max_entries: int) -> None:
    store = new_store()
    database = small_keyspace(store, packed_max_entries).database(0)
    found = open_or_new(database, b"h", NOW)
    found.set(b"b", b"1")
    found.set(b"a", b"2")
    found.save()
    found = reopened(database, b"h")
    found.set_deadline(b"b", 1_700_000_000_123)
    found.save()
    title = "1700000000123 FIELDS 1 b` leave"
    if packed_max_entries == 1:
        title = "or, were `packed-max-entries` 1,"
    stored = {key: row for key, row in store.snapshot().items() if key[:1] not in b"cm"}
    assert stored == documented_entries(title)


# Choices


@FORMS
def test_picks_are_of_living_fields_and_reach_all_of_them(packed_max_entries: int) -> None:
    keyspace = small_keyspace(new_store(), packed_max_entries)
    found = filled(keyspace.database(0), b"k", b"abcdefgh")
    found.set_deadline(b"a", LATER)
    found.save()
    found = reopened(keyspace.database(0), b"k", LATER + 1)
    random = keyspace.random
    assert {found.pick(random) for _ in range(300)} == {b"%c" % letter for letter in b"bcdefgh"}
    for count in range(1, 7):
        sample = found.sample(count, random)
        assert len(dict(sample)) == count
        assert all(found.get(field) == value for field, value in sample)
    repeating = found.sample_repeating(50, random)
    assert len(repeating) == 50
    assert {field for field, _ in repeating} <= set(found.fields())


@FORMS
@pytest.mark.parametrize("counted_max", [1, 10_000])
def test_choices_among_many_that_have_expired(
    packed_max_entries: int, counted_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a backlog the count is too high, but what is returned lives."""
    monkeypatch.setattr(hash_spread, "EXPIRED_COUNTED_MAX", counted_max)
    keyspace = small_keyspace(new_store(), packed_max_entries)
    names = [b"%d" % number for number in range(60)]
    found = filled(keyspace.database(0), b"k", names)
    for name in names[:50]:
        found.set_deadline(name, LATER)
    found.save()
    found = reopened(keyspace.database(0), b"k", LATER + 1)
    living, random = set(names[50:]), keyspace.random
    assert found.count == 10
    assert found.count_at_most == (59 if packed_max_entries == 1 == counted_max else 10)
    assert {found.pick(random) for _ in range(200)} == living
    for count in (1, 9, 10, 30):
        sample = [field for field, _ in found.sample(count, random)]
        assert len(sample) == len(set(sample)) == min(count, 10)
        assert living.issuperset(sample)
    repeating = [field for field, _ in found.sample_repeating(100, random)]
    assert len(repeating) == 100
    assert set(repeating) == living
    for name in living:
        found.set_deadline(name, LATER)
    found.save()
    found = reopened(keyspace.database(0), b"k", LATER + 1)
    assert found.pick(random) is None
    assert list(found.sample(3, random)) == list(found.sample_repeating(3, random)) == []


def test_a_scan_of_a_large_hash_returns_what_stays_exactly_once() -> None:
    database = small_keyspace(new_store(), 1).database(0)
    staying = [b"stays%d" % number for number in range(100)]
    filled(database, b"k", staying)
    seen: Counter[bytes] = Counter()
    cursor, step = 0, 0
    while cursor or not step:
        found = reopened(database, b"k")
        cursor, items = found.scan(cursor, 7)
        seen.update(field for field, _ in items)
        found.set(b"new%d" % step, b"")
        found.delete(b"new%d" % (step - 1))
        found.save()
        step += 1
    assert all(seen[field] == 1 for field in staying)
    assert step > 100 // 8
