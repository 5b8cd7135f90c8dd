"""Sets in both forms, against Python's own."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.errors import WrongTypeError
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.sets import algebra as set_algebra
from kiwi_engine.keyspace.sets.opening import AnySet, new_set, open_set, replace_set
from kiwi_engine.keyspace.sets.packed import PackedSet
from kiwi_engine.keyspace.sets.spread import SpreadSet, order_of
from kiwi_engine.keyspace.spread.roots import HASHTABLE, INTSET, LISTPACK
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import NOW
from tests.support.worked_examples import documented_entries

FORMS = pytest.mark.parametrize("packed_max_entries", [1000, 2], ids=["packed", "spread"])
MEMBERS = [b"%d" % number for number in range(-3, 9)] + [b"", b"a", b"b", b"\x00\xff", b"x" * 70]


def _database(packed_max_entries: int) -> Database:
    keyspace = Keyspace(MemoryStore(tally), seed=5)
    keyspace.limits.packed_max_entries = packed_max_entries
    keyspace.limits.packed_max_bytes = 100_000
    return keyspace.database(0)


def _filled(db: Database, key: bytes, members: list[bytes]) -> AnySet:
    empty = new_set(db, key, members[0], len(members))
    assert empty.add_all(members) == len(set(members))
    empty.save()
    found = open_set(db, key, NOW)
    assert found is not None
    return found


@FORMS
def test_the_form_follows_from_the_size(packed_max_entries: int) -> None:
    db = _database(packed_max_entries)
    found = _filled(db, b"k", [b"a", b"b", b"c"])
    assert isinstance(found, PackedSet if packed_max_entries > 2 else SpreadSet)
    assert found.count == 3
    assert found.contains_each([b"a", b"x", b"c"]) == [True, False, True]


def test_a_set_of_many_bytes_is_spread() -> None:
    db = _database(1000)
    db.limits.packed_max_bytes = 20
    assert isinstance(_filled(db, b"k", [b"a" * 9, b"b" * 9]), SpreadSet)
    assert isinstance(_filled(db, b"l", [b"a" * 9]), PackedSet)


@FORMS
def test_the_last_member_takes_the_key_with_it(packed_max_entries: int) -> None:
    db = _database(packed_max_entries)
    found = _filled(db, b"k", [b"a", b"b", b"c"])
    assert found.remove_all([b"a", b"b", b"c", b"d"]) == 3
    found.save()
    assert open_set(db, b"k", NOW) is None
    assert db.head(b"k", NOW) is None


def test_integers_are_returned_by_size_in_both_forms() -> None:
    for packed_max_entries in (1000, 2):
        found = _filled(_database(packed_max_entries), b"k", [b"10", b"9", b"-1"])
        assert found.root.encoding == INTSET
        assert found.in_reply_order() == [b"-1", b"9", b"10"]


def test_a_text_makes_a_listpack_of_an_intset() -> None:
    found = _filled(_database(1000), b"k", [b"10", b"9"])
    found.add(b"a")
    assert (found.root.encoding, found.in_reply_order()) == (LISTPACK, [b"9", b"10", b"a"])
    found.add(b"x" * 65)
    assert found.root.encoding == HASHTABLE
    found.remove(b"x" * 65)
    assert found.root.encoding == HASHTABLE


def test_another_kind_is_refused() -> None:
    db = _database(1000)
    db.set(b"k", b"text")
    with pytest.raises(WrongTypeError):
        open_set(db, b"k", NOW)


def test_random_picks_reach_every_member_about_as_often() -> None:
    db = _database(2)
    members = [b"%d" % number for number in range(100)]
    found = _filled(db, b"k", members)
    random = Random(3)
    counts = dict.fromkeys(members, 0)
    for _ in range(10_000):
        counts[found.pick(random)] += 1
    # 100 expected; the first of the neighbours alone would be picked 0 to 500 times.
    assert min(counts.values()) > 40 and max(counts.values()) < 220


@FORMS
def test_samples_have_no_member_twice(packed_max_entries: int) -> None:
    found = _filled(_database(packed_max_entries), b"k", [b"%d" % n for n in range(200)])
    random = Random(1)
    for count in (1, 3, 50, 199):
        sample = found.sample(count, random)
        assert len(sample) == len(set(sample)) == count
        assert all(found.contains_each(sample))
    for count in (1, 3, 500):
        repeated = found.sample_repeating(count, random)
        assert len(repeated) == count and all(found.contains_each(repeated))


def test_pages_cover_all_members_while_others_come_and_go() -> None:
    db = _database(2)
    lasting = {b"stay%d" % number for number in range(300)}
    _filled(db, b"k", sorted(lasting))
    random = Random(9)
    seen: list[bytes] = []
    cursor, churn = 0, 0
    while True:
        found = open_set(db, b"k", NOW)
        assert found is not None
        cursor, members = found.scan(cursor, 7)
        seen += members
        found.add(b"new%d" % churn)
        found.remove(b"new%d" % random.randrange(churn + 1))
        found.save()
        churn += 1
        if cursor == 0:
            break
    assert len([member for member in seen if member in lasting]) == len(lasting)
    assert lasting <= set(seen)


@given(
    steps=st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(MEMBERS), max_size=4))),
    packed_max_entries=st.sampled_from([1, 2, 3, 1000]),
)
@settings(max_examples=200, deadline=None)
def test_it_is_what_a_set_of_python_is(
    steps: list[tuple[bool, list[bytes]]], packed_max_entries: int
) -> None:
    db = _database(packed_max_entries)
    model: set[bytes] = set()
    for adds, members in steps:
        found = open_set(db, b"k", NOW)
        assert (found is None) == (not model)
        if adds and members:
            found = found or new_set(db, b"k", members[0], len(members))
            assert found.add_all(members) == len(set(members) - model)
            model |= set(members)
            found.save()
        elif found is not None:
            assert found.remove_all(members) == len(set(members) & model)
            model -= set(members)
            found.save()
    found = open_set(db, b"k", NOW)
    assert set(found.in_reply_order() if found else ()) == model
    assert (found.count if found else 0) == len(model)
    if found:
        assert list(found.places()) == sorted(map(order_of, model))


@given(
    groups=st.lists(
        st.lists(st.sampled_from(MEMBERS), min_size=1, unique=True), min_size=1, max_size=4
    ),
    forms=st.lists(st.booleans(), min_size=4, max_size=4),
    cost=st.sampled_from([0, 1, 4, 100]),
)
@settings(max_examples=300, deadline=None)
def test_algebra_is_that_of_python(groups: list[list[bytes]], forms: list[bool], cost: int) -> None:
    db = _database(1000)
    sets = []
    for number, (members, is_packed) in enumerate(zip(groups, forms, strict=False)):
        db.limits.packed_max_entries = 1000 if is_packed else 1
        sets.append(_filled(db, b"k%d" % number, members))
    models = [set(members) for members in groups]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(set_algebra, "LOOK_UP_COST", cost)
        patch.setattr(set_algebra, "CHUNK", 3)
        common = list(set_algebra.intersection(sets))
        joined = list(set_algebra.union(sets))
        left = list(set_algebra.difference(sets[0], sets[1:]))
    assert sorted(common) == sorted(set.intersection(*models))
    assert sorted(joined) == sorted(set.union(*models))
    assert sorted(left) == sorted(models[0].difference(*models[1:]))


@FORMS
def test_a_result_replaces_what_was_there(packed_max_entries: int) -> None:
    db = _database(packed_max_entries)
    db.set_expiring(b"k", b"text", NOW + 1000)
    replace_set(db, b"k", [b"1", b"2", b"3"], INTSET)
    found = open_set(db, b"k", NOW)
    assert found is not None and found.in_reply_order() == [b"1", b"2", b"3"]
    assert db.deadline(b"k", NOW) == 0


def test_a_large_result_gets_the_encoding_of_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    db = _database(1000)
    monkeypatch.setattr(set_algebra, "SMALL_RESULT", 0)
    assert set_algebra.stored_result(db, [b"2", b"1"], INTSET)[1] == INTSET
    assert set_algebra.stored_result(db, [b"2", b"a"], INTSET)[1] == LISTPACK
    assert set_algebra.stored_result(db, [b"2", b"x" * 65], INTSET)[1] == HASHTABLE
    many = [b"m%d" % number for number in range(200)]
    assert set_algebra.stored_result(db, many, INTSET)[1] == HASHTABLE


def test_the_worked_example_of_the_format_document() -> None:
    for title, packed_max_entries in (
        ("`SADD s b a` writes", 2),
        ("if `packed-max-entries` were 1,", 1),
    ):
        store = MemoryStore(tally)
        keyspace = Keyspace(store)
        keyspace.limits.packed_max_entries = packed_max_entries
        _filled(keyspace.database(0), b"s", [b"b", b"a"])
        assert store.snapshot() == documented_entries(title)
