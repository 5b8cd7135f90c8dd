"""Lists of both forms against a list of Python."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kiwi_engine.errors import CorruptionError, WrongTypeError
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.lists import spread as spread_lists
from kiwi_engine.keyspace.lists.encoding import listpack_bytes
from kiwi_engine.keyspace.lists.opening import AnyList, new_list, open_list, replace_list
from kiwi_engine.keyspace.lists.packed import PackedList
from kiwi_engine.keyspace.lists.spread import SpreadList
from kiwi_engine.keyspace.spread.roots import LISTPACK, QUICKLIST, version_of
from kiwi_engine.rdb.listpack import pack
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import NOW, new_keyspace, new_store
from tests.support.worked_examples import documented_entries

KEY = b"list"
ELEMENTS = [b"", b"a", b"b", b"7", b"-1", b"x" * 16, b"x" * 17, b"x" * 20]
element = st.sampled_from(ELEMENTS)
elements = st.lists(element, min_size=1, max_size=6)


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Iterator[None]:
    """Every way of reading and removing many elements, with a handful of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spread_lists, "WALKED_MIN", 4)
        patch.setattr(spread_lists, "REWRITTEN_AT_ONCE", 3)
        patch.setattr(spread_lists, "RANGE_ELEMENTS_MIN", 5)
        yield


def new_database(keyspace: Keyspace, entries: int = 2, size: int = 1000) -> Database:
    """Database 0; a packed list has up to `entries` elements and `size` bytes."""
    keyspace.limits.packed_max_entries = entries
    keyspace.limits.packed_max_bytes = size
    return keyspace.database(0)


def opened(database: Database) -> AnyList:
    found = open_list(database, KEY, NOW)
    assert found is not None
    return found


def contents(database: Database) -> list[bytes]:
    found = open_list(database, KEY, NOW)
    return [] if found is None else found.read(0, found.count)


def element_keys(store: MemoryStore) -> list[bytes]:
    return [key for key in store.snapshot() if key[:1] == b"l"]


class ListMachine(RuleBasedStateMachine):
    """Random changes; each is saved, as a command would, and compared."""

    @initialize(
        entries=st.sampled_from([1, 3, 1000]),
        size=st.sampled_from([10, 60, 1000]),
        listpack_size=st.sampled_from([3, -1]),
    )
    def start(self, entries: int, size: int, listpack_size: int) -> None:
        self.store = new_store()
        self.keyspace = new_keyspace(self.store)
        self.database = new_database(self.keyspace, entries, size)
        self.keyspace.limits.list_max_listpack_size = listpack_size
        self.model: list[bytes] = []

    @rule(added=elements, at_head=st.booleans())
    def push(self, added: list[bytes], at_head: bool) -> None:
        found = open_list(self.database, KEY, NOW) or new_list(self.database, KEY)
        found.push(added, at_head=at_head)
        found.save()
        self.model = added[::-1] + self.model if at_head else self.model + added

    @rule(count=st.integers(1, 12), at_head=st.booleans())
    def pop(self, count: int, at_head: bool) -> None:
        if not self.model:
            return
        found = opened(self.database)
        count = min(count, found.count)
        popped = found.pop(count, at_head=at_head)
        found.save()
        if at_head:
            assert popped == self.model[:count]
            del self.model[:count]
        else:
            assert popped == self.model[len(self.model) - count :][::-1]
            del self.model[len(self.model) - count :]

    @rule(from_head=st.booleans(), to_head=st.booleans())
    def rotate(self, from_head: bool, to_head: bool) -> None:
        if not self.model:
            return
        found = opened(self.database)
        (moved,) = found.pop(1, at_head=from_head)
        found.push((moved,), at_head=to_head)
        found.save()
        assert moved == self.model.pop(0 if from_head else -1)
        self.model.insert(0 if to_head else len(self.model), moved)

    @rule(data=st.data(), replacement=element)
    def set_one(self, data: st.DataObject, replacement: bytes) -> None:
        if not self.model:
            return
        index = data.draw(st.integers(0, len(self.model) - 1))
        found = opened(self.database)
        assert found.get(index) == self.model[index]
        found.set(index, replacement)
        found.save()
        self.model[index] = replacement

    @rule(data=st.data(), added=element)
    def insert(self, data: st.DataObject, added: bytes) -> None:
        if not self.model:
            return
        index = data.draw(st.integers(0, len(self.model)))
        found = opened(self.database)
        found.insert(index, added)
        found.save()
        self.model.insert(index, added)

    @rule(wanted=element, limit=st.integers(1, 4) | st.just(100), reverse=st.booleans())
    def remove(self, wanted: bytes, limit: int, reverse: bool) -> None:
        if not self.model:
            return
        equal = [index for index, one in enumerate(self.model) if one == wanted]
        gone = set(equal[-limit:] if reverse else equal[:limit])
        found = opened(self.database)
        assert found.remove(wanted, limit, reverse=reverse) == len(gone)
        found.save()
        self.model = [one for index, one in enumerate(self.model) if index not in gone]

    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        if not self.model:
            return
        stop = data.draw(st.integers(0, len(self.model)))
        start = data.draw(st.integers(0, stop))
        found = opened(self.database)
        found.trim(start, stop)
        found.save()
        self.model = self.model[start:stop]

    @rule(wanted=element, length=st.integers(1, 20), reverse=st.booleans())
    def find(self, wanted: bytes, length: int, reverse: bool) -> None:
        if not self.model:
            return
        order = range(len(self.model))[::-1] if reverse else range(len(self.model))
        expected = [index for index in order[:length] if self.model[index] == wanted]
        assert list(opened(self.database).find(wanted, length, reverse=reverse)) == expected

    @rule()
    def reclaim(self) -> None:
        while self.keyspace.reclaimer.work(3):
            pass

    @invariant()
    def holds_the_model(self) -> None:
        assert contents(self.database) == self.model
        root = self.store.snapshot().get(self.database.stored_key(KEY))
        assert (root is not None) == bool(self.model)
        if root is not None and version_of(root):
            found = opened(self.database)
            assert isinstance(found, SpreadList)
            if found._listpack_bytes != spread_lists.UNKNOWN_BYTES:
                assert found._listpack_bytes == listpack_bytes(self.model)

    def teardown(self) -> None:
        """What was left to the reclaimer goes, and nothing else: the elements that live stay."""
        self.reclaim()
        spread = isinstance(open_list(self.database, KEY, NOW), SpreadList)
        assert len(element_keys(self.store)) == (len(self.model) if spread else 0)
        self.database.delete(KEY, NOW)
        self.reclaim()
        assert set(self.store.snapshot()) <= {encoding.META_NEXT_VERSION}


TestListMachine = ListMachine.TestCase


def filled(database: Database, *added: bytes) -> AnyList:
    """A new list at `KEY`, saved and opened again."""
    found = new_list(database, KEY)
    found.push(added, at_head=False)
    found.save()
    return opened(database)


def test_the_form_follows_from_count_and_bytes() -> None:
    database = new_database(new_keyspace(), entries=2, size=20)
    assert isinstance(filled(database, b"a", b"b"), PackedList)
    assert isinstance(filled(database, b"a", b"b", b"c"), SpreadList)
    assert isinstance(filled(database, b"x" * 18), SpreadList)
    assert isinstance(filled(database, b"x" * 17), PackedList)


def test_a_spread_list_stays_spread_until_it_is_empty() -> None:
    database = new_database(new_keyspace())
    found = filled(database, b"a", b"b", b"c")
    found.pop(2, at_head=True)
    found.save()
    found = opened(database)
    assert isinstance(found, SpreadList)
    found.pop(1, at_head=True)
    found.save()
    assert open_list(database, KEY, NOW) is None
    assert isinstance(filled(database, b"a"), PackedList)


def test_pushing_and_popping_at_the_ends_never_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store()
    database = new_database(new_keyspace(store))
    filled(database, *(b"%d" % number for number in range(100)))

    def refuse(*_arguments: object, **_options: object) -> Iterator[tuple[bytes, bytes]]:
        raise AssertionError("walked")

    monkeypatch.setattr(store, "range", refuse)
    monkeypatch.setattr(store, "scan", refuse)
    for number in range(100, 1000):
        found = opened(database)
        found.push((b"%d" % number,), at_head=number % 2 == 0)
        found.save()
        found = opened(database)
        found.pop(1, at_head=number % 3 == 0)
        found.save()
        store.reads = 0
        assert opened(database).get(50)
        assert store.reads == 2, "the root and the element"
    assert len(element_keys(store)) == 100


@pytest.mark.parametrize(("index", "moved"), [(0, 0), (3, 3), (10, 10), (17, 3), (20, 0)])
def test_an_insertion_moves_the_nearer_side(index: int, moved: int) -> None:
    store = new_store()
    database = new_database(new_keyspace(store))
    found = filled(database, *(b"%d" % number for number in range(20)))
    before = store.snapshot()
    found.insert(index, b"new")
    found.save()
    changed = {key for key, value in store.snapshot().items() if before.get(key) != value}
    assert len(changed) == 2 + moved, "the root, the new one, and those that made room"


@pytest.mark.parametrize(
    ("reverse", "limit", "rewritten"),
    [(False, 1, 1), (True, 1, 1), (False, 9, 8), (False, 2, 5)],
)
def test_a_removal_moves_the_side_with_fewer_elements(
    reverse: bool, limit: int, rewritten: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store()
    database = new_database(new_keyspace(store))
    found = filled(database, *(b"x" if n in (1, 6, 10) else b"%d" % n for n in range(12)))
    puts: list[bytes] = []
    monkeypatch.setattr(store, "put", lambda key, _value: puts.append(key))
    found.remove(b"x", limit, reverse=reverse)
    assert len(puts) == rewritten


@pytest.mark.parametrize("reverse", [False, True])
def test_whatever_is_removed_the_others_keep_their_order(reverse: bool) -> None:
    """Every choice of equal elements among six."""
    database = new_database(new_keyspace())
    for equal, limit in product(range(1, 64), (1, 2, 9)):
        model = [b"x" if equal >> at & 1 else b"%d" % at for at in range(6)]
        found = filled(database, *model)
        found.remove(b"x", limit, reverse=reverse)
        found.save()
        places = [at for at in range(6) if equal >> at & 1]
        gone = places[-limit:] if reverse else places[:limit]
        expected = [one for at, one in enumerate(model) if at not in gone]
        assert contents(database) == expected, (model, limit)
        database.delete(KEY, NOW)


def test_emptying_a_long_list_touches_the_root_alone() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    database = new_database(keyspace)
    found = filled(database, *[b"x"] * 50)
    found.trim(0, 0)
    found.save()
    assert open_list(database, KEY, NOW) is None
    assert len(element_keys(store)) == 50
    while keyspace.reclaimer.work(10):
        pass
    assert element_keys(store) == []


def test_replacing_a_list_leaves_nothing_of_the_old_one() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    database = new_database(keyspace)
    filled(database, b"a", b"b", b"c")
    replace_list(database, KEY, [b"1", b"2", b"3", b"4"])
    assert contents(database) == [b"1", b"2", b"3", b"4"]
    while keyspace.reclaimer.work(10):
        pass
    assert len(element_keys(store)) == 4
    replace_list(database, KEY, [b"1"])
    assert isinstance(opened(database), PackedList)


def test_a_hole_is_corruption() -> None:
    store = new_store()
    database = new_database(new_keyspace(store))
    found = filled(database, *(b"%d" % number for number in range(9)))
    store.delete(element_keys(store)[4])
    with pytest.raises(CorruptionError, match="hole"):
        found.get(4)
    with pytest.raises(CorruptionError, match="hole"):
        found.read(0, 9)
    with pytest.raises(CorruptionError, match="hole"):
        found.read(3, 3)


def test_another_kind_is_refused() -> None:
    database = new_database(new_keyspace())
    database.set(KEY, b"text")
    with pytest.raises(WrongTypeError):
        open_list(database, KEY, NOW)


@pytest.mark.parametrize("entries", [1000, 2])
def test_encodings_have_a_gap_between_growing_and_shrinking(entries: int) -> None:
    database = new_database(new_keyspace(), entries, 100_000)
    database.limits.list_max_listpack_size = 8
    found = filled(database, *[b"x"] * 8)
    assert found.root.encoding == LISTPACK
    for count, encoding_then in ((9, QUICKLIST), (5, QUICKLIST), (4, LISTPACK), (8, LISTPACK)):
        found = opened(database)
        if count > found.count:
            found.push([b"x"] * (count - found.count), at_head=True)
        else:
            found.pop(found.count - count, at_head=True)
        found.save()
        assert opened(database).root.encoding == encoding_then


def test_a_size_that_was_lost_is_counted_again_when_it_matters() -> None:
    database = new_database(new_keyspace())
    database.limits.list_max_listpack_size = -1
    found = filled(database, *[b"x" * 98] * 100)
    assert found.root.encoding == QUICKLIST
    found.trim(0, 30)
    found.save()
    found = opened(database)
    assert isinstance(found, SpreadList)
    assert found._listpack_bytes == listpack_bytes([b"x" * 98] * 30)
    assert found.root.encoding == QUICKLIST
    found.trim(0, 20)
    found.save()
    assert opened(database).root.encoding == LISTPACK, "20 * 100 + 7 bytes, not more than 2048"


@given(
    texts=st.lists(st.binary(max_size=300) | st.integers(-(2**64), 2**64).map(str).map(str.encode))
)
def test_sizes_are_those_of_real_listpacks(texts: list[bytes]) -> None:
    assert listpack_bytes(texts) == len(pack(texts))


@pytest.mark.parametrize("size", [63, 64, 125, 126, 127, 4095, 4096, 16377, 16378, 2**21])
def test_sizes_of_long_texts(size: int) -> None:
    assert listpack_bytes([b"x" * size]) == len(pack([b"x" * size]))


@pytest.mark.parametrize(
    ("title", "entries"),
    [("`RPUSH l b a` and `LPUSH l 7` write", 3), ("or, with `packed-max-entries` at 1", 1)],
)
def test_the_stored_bytes_are_the_documented_ones(title: str, entries: int) -> None:
    store = new_store()
    database = new_database(new_keyspace(store), entries)
    for added, at_head in (([b"b", b"a"], False), ([b"7"], True)):
        found = open_list(database, b"l", NOW) or new_list(database, b"l")
        found.push(added, at_head=at_head)
        found.save()
    stored = {key: value for key, value in store.snapshot().items() if key[:1] in (b"d", b"l")}
    assert stored == documented_entries(title)
