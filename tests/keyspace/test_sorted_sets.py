"""Sorted sets in both forms, against a sorted list."""

from __future__ import annotations

from itertools import islice
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.errors import WrongTypeError
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.sets.spread import order_of
from kiwi_engine.keyspace.sorted_sets import spread as sorted_set_spread
from kiwi_engine.keyspace.sorted_sets.opening import (
    AnySortedSet,
    new_sorted_set,
    open_sorted_set,
    replace_sorted_set,
)
from kiwi_engine.keyspace.sorted_sets.packed import PackedSortedSet
from kiwi_engine.keyspace.sorted_sets.score_order import LexRange, Range, ScoreRange
from kiwi_engine.keyspace.sorted_sets.spread import Element, SpreadSortedSet, part_of
from kiwi_engine.keyspace.spread.roots import LISTPACK, SKIPLIST
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import NOW
from tests.keyspace.sorted_set_check import check_sorted_sets
from tests.support.worked_examples import documented_entries

KEY = b"k"
FORMS = pytest.mark.parametrize("packed_max_entries", [1000, 2], ids=["packed", "spread"])
SCORES = [-inf, -1e300, -2.5, -0.0, 0.0, 1e-300, 1.0, 2.0, inf]
scores = st.sampled_from(SCORES) | st.floats(-4, 4)
members = st.sampled_from([b"", b"a", b"b", b"ba", b"c", b"\x00", b"\xff\xff", b"x" * 70])
score_ranges = st.builds(ScoreRange, scores, scores, st.booleans(), st.booleans())
lex_bounds = members | st.none()
impossible = st.integers(0, 9).map(lambda number: number == 0)
lex_ranges = st.builds(
    LexRange,
    lex_bounds,
    lex_bounds,
    st.booleans(),
    st.booleans(),
    st.sampled_from([False] * 9 + [True]),
)


def tiny_keyspace(packed_max_entries: int = 2) -> tuple[Keyspace, MemoryStore]:
    """Count nodes of two elements, and hardly any of them remembered."""
    store = MemoryStore(tally)
    keyspace = Keyspace(store, seed=5)
    keyspace.limits.packed_max_entries = packed_max_entries
    keyspace.limits.packed_max_bytes = 100_000
    keyspace.ranks.node_entries_min = 2
    return keyspace, store


def by_score(elements: dict[bytes, float]) -> list[Element]:
    """The model's answer to everything."""
    return sorted(elements.items(), key=lambda element: (element[1], element[0]))


def fill(keyspace: Keyspace, elements: dict[bytes, float]) -> AnySortedSet:
    """Store them one by one, as ZADD does."""
    found: AnySortedSet = new_sorted_set(keyspace.database(0), KEY, next(iter(elements)), 1)
    for member, score in elements.items():
        found.put(member, score, found.score(member))
        found.save()
        found = reopened(keyspace)
    return found


def reopened(keyspace: Keyspace) -> AnySortedSet:
    found = open_sorted_set(keyspace.database(0), KEY, NOW)
    assert found is not None
    return found


def selects(wanted: Range, element: Element) -> bool:
    """Whether an element lies in a range."""
    low, high, is_low_open, is_high_open = wanted[:4]
    if isinstance(wanted, LexRange) and wanted.is_impossible:
        return False
    value = element[1] if isinstance(wanted, ScoreRange) else element[0]
    above = low is None or (value > low if is_low_open else value >= low)  # type: ignore[operator]
    below = high is None or (value < high if is_high_open else value <= high)  # type: ignore[operator]
    return above and below


@FORMS
def test_the_form_follows_from_the_size(packed_max_entries: int) -> None:
    keyspace, _ = tiny_keyspace(packed_max_entries)
    found = fill(keyspace, {b"a": 1.0, b"b": 2.0, b"c": 3.0})
    assert isinstance(found, PackedSortedSet if packed_max_entries > 2 else SpreadSortedSet)
    assert found.scores([b"a", b"x", b"c"]) == [1.0, None, 3.0]


def test_one_of_many_bytes_is_spread() -> None:
    keyspace, _ = tiny_keyspace(1000)
    keyspace.limits.packed_max_bytes = 100
    assert isinstance(fill(keyspace, {b"a" * 40: 1.0}), PackedSortedSet)
    assert isinstance(fill(keyspace, {b"a" * 40: 1.0, b"b" * 40: 2.0}), SpreadSortedSet)


@FORMS
@settings(max_examples=150, deadline=None)
@given(
    elements=st.dictionaries(members, scores, min_size=1),
    wanted=score_ranges | lex_ranges,
    offset=st.integers(0, 4),
    count=st.none() | st.integers(0, 4),
    is_reverse=st.booleans(),
)
def test_ranges_are_those_of_a_sorted_list(
    packed_max_entries: int,
    elements: dict[bytes, float],
    wanted: Range,
    offset: int,
    count: int | None,
    is_reverse: bool,
) -> None:
    if isinstance(wanted, LexRange):
        elements = dict.fromkeys(elements, 1.5)
    keyspace, _ = tiny_keyspace(packed_max_entries)
    keyspace.limits.zset_max_listpack_entries = 0
    found, ordered = fill(keyspace, elements), by_score(elements)
    selected = [element for element in ordered if selects(wanted, element)]
    begin, end = found.index_range(wanted)
    assert ordered[begin:end] == selected
    if is_reverse:
        selected.reverse()
    expected = list(islice(selected[offset:], count))
    got = list(found.within(wanted, offset, count, is_reverse=is_reverse))
    assert [(member, repr(score)) for member, score in got] == [
        (member, repr(score)) for member, score in expected
    ]
    assert found.remove_within(wanted) == len(selected)


@FORMS
def test_a_long_offset_is_found_by_its_index(
    packed_max_entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorted_set_spread, "WALKED_OFFSET_MAX", 1)
    keyspace, _ = tiny_keyspace(packed_max_entries)
    elements = {b"%03d" % number: number // 3.0 for number in range(50)}
    found, ordered = fill(keyspace, elements), by_score(elements)
    wanted = ScoreRange(2.0, 12.0, is_low_open=True)
    selected = [element for element in ordered if selects(wanted, element)]
    for offset in (0, 1, 2, 7, 29, 30, 31, 100):
        for count in (None, 0, 1, 5, 2**63):
            assert list(found.within(wanted, offset, count)) == list(
                islice(selected[offset:], None if count is None else min(count, 100))
            )
            backwards = list(found.within(wanted, offset, count, is_reverse=True))
            assert backwards == selected[::-1][offset:][: 100 if count is None else count]


def test_part_of_a_range() -> None:
    assert part_of(3, 9, 2, None, is_reverse=False) == (5, 9)
    assert part_of(3, 9, 2, 3, is_reverse=False) == (5, 8)
    assert part_of(3, 9, 2, None, is_reverse=True) == (3, 7)
    assert part_of(3, 9, 2, 3, is_reverse=True) == (4, 7)
    assert part_of(3, 9, 99, 3, is_reverse=False) == (9, 9)
    assert part_of(3, 9, 99, 3, is_reverse=True) == (3, 3)


class Trial:
    """A random sequence of changes to one sorted set and to a dict."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.keyspace, self.store = tiny_keyspace(self.rng.choice([1, 3, 1000]))
        self.keyspace.limits.zset_max_listpack_entries = 0
        self.keyspace.ranks.node_entries_min = self.rng.choice([1, 2, 3, 5])
        self.keyspace.ranks.nodes_max = self.rng.choice([1, 100])
        self.model: dict[bytes, float] = {}

    def step(self) -> None:
        """One change, by one of the ways there are."""
        rng, db = self.rng, self.keyspace.database(0)
        if rng.random() < 0.1:
            self.keyspace.reload()
        found = open_sorted_set(db, KEY, NOW)
        assert (found is None) == (not self.model)
        if found is None or rng.random() < 0.5:
            self._put(found or new_sorted_set(db, KEY, b"m", 1))
        else:
            rng.choice((self._remove, self._remove_between, self._remove_within, self._pop))(found)
        assert check_sorted_sets(self.store.snapshot()) <= 1
        found = open_sorted_set(db, KEY, NOW)
        ordered = [] if found is None else list(found.between(0, found.count))
        assert repr(ordered) == repr(by_score(self.model))

    def _score(self) -> float:
        return self.rng.choice(SCORES) if self.rng.random() < 0.5 else self.rng.uniform(-5, 5)

    def _put(self, found: AnySortedSet) -> None:
        for _ in range(self.rng.randint(1, 3)):
            member, score = b"m%d" % self.rng.randrange(40), self._score()
            previous = found.score(member)
            assert previous == self.model.get(member)
            found.put(member, score, previous)
            self.model[member] = score
        found.save()

    def _remove(self, found: AnySortedSet) -> None:
        member = self.rng.choice(sorted(self.model))
        found.remove(member, self.model.pop(member))
        found.save()

    def _remove_between(self, found: AnySortedSet) -> None:
        begin, end = (self.rng.randrange(len(self.model) + 1) for _ in range(2))
        removed = by_score(self.model)[begin:end]
        assert found.remove_between(begin, end) == len(removed)
        self._forget(found, removed)

    def _remove_within(self, found: AnySortedSet) -> None:
        wanted = ScoreRange(self._score(), self._score(), is_high_open=self.rng.random() < 0.5)
        removed = [element for element in by_score(self.model) if selects(wanted, element)]
        assert found.remove_within(wanted) == len(removed)
        self._forget(found, removed)

    def _pop(self, found: AnySortedSet) -> None:
        is_last = self.rng.random() < 0.5
        popped = found.pop(count := self.rng.randrange(4), is_last=is_last)
        ordered = by_score(self.model)
        assert popped == (ordered[::-1] if is_last else ordered)[:count]
        self._forget(found, popped)

    def _forget(self, found: AnySortedSet, removed: list[Element]) -> None:
        for member, _ in removed:
            del self.model[member]
        found.save()

    def finish(self) -> None:
        """Nothing of a removed sorted set stays."""
        self.keyspace.database(0).delete(KEY, NOW)
        for _ in range(200):
            self.keyspace.reclaim(1000)
        assert [key for key in self.store.snapshot() if key[:1] != b"m"] == []


@pytest.mark.parametrize("seed", range(60))
def test_any_sequence_of_changes(seed: int) -> None:
    trial = Trial(seed)
    for _ in range(60):
        trial.step()
    trial.finish()


def test_a_queue_is_not_walked_over_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was popped must not be in the way: each walk begins where the elements begin."""
    keyspace, store = tiny_keyspace()
    found = fill(keyspace, {b"%03d" % number: float(number) for number in range(30)})
    begins: list[bytes] = []
    ranges = store.range

    def noted(begin: bytes, end: bytes, *, reverse: bool = False) -> object:
        begins.append(begin)
        return ranges(begin, end, reverse=reverse)

    assert isinstance(found, SpreadSortedSet)
    for number in range(20):
        assert found.pop(1, is_last=False) == [(b"%03d" % number, float(number))]
        found.save()
    monkeypatch.setattr(store, "range", noted)
    assert found.pop(1, is_last=False) == [(b"020", 20.0)]
    assert begins[0].endswith(b"019"), "the walk begins at the element that was popped last"
    found.put(b"early", 3.0, None)
    assert found.pop(2, is_last=False) == [(b"early", 3.0), (b"021", 21.0)]
    assert found.pop(1, is_last=True) == [(b"029", 29.0)]
    found.put(b"late", 40.0, None)
    assert found.pop(2, is_last=True) == [(b"late", 40.0), (b"028", 28.0)]


def test_a_rollback_forgets_what_memory_knew_of_ranks() -> None:
    keyspace, store = tiny_keyspace()
    found = fill(keyspace, {b"%02d" % number: float(number) for number in range(20)})
    before = store.snapshot()
    for number in range(0, 20, 2):
        found.remove(b"%02d" % number, float(number))
    found.pop(3, is_last=False)
    found.save()
    store.restore(before)
    keyspace.reload()
    found = reopened(keyspace)
    assert [found.rank(b"%02d" % number, float(number)) for number in range(20)] == list(range(20))
    assert found.pop(1, is_last=False) == [(b"00", 0.0)]
    found.save()
    check_sorted_sets(store.snapshot())


def test_a_range_that_is_everything_goes_with_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_set_spread, "DROPPED_WHOLE_MIN", 3)
    keyspace, store = tiny_keyspace()
    found = fill(keyspace, {b"a": 1.0, b"b": 2.0, b"c": 3.0, b"d": 4.0})
    before = len(store.snapshot())
    assert found.remove_within(ScoreRange(1.0, 4.0)) == 4
    found.save()
    assert open_sorted_set(keyspace.database(0), KEY, NOW) is None
    assert before - len(store.snapshot()) == 1, "only the root is gone at once"
    assert fill(keyspace, {b"a": 1.0, b"b": 2.0, b"c": 3.0}).remove_within(ScoreRange(2.0)) == 2


@FORMS
def test_the_order_of_places_has_every_element(packed_max_entries: int) -> None:
    keyspace, _ = tiny_keyspace(packed_max_entries)
    elements = {b"%d" % number: float(number) for number in range(30)}
    found = fill(keyspace, elements)
    expected = sorted((order_of(member), score) for member, score in elements.items())
    assert list(found.by_hash()) == expected


@FORMS
def test_random_picks_are_elements(packed_max_entries: int) -> None:
    keyspace, _ = tiny_keyspace(packed_max_entries)
    elements = {b"%d" % number: number / 2 for number in range(100)}
    found, random = fill(keyspace, elements), Random(4)
    assert {found.pick(random) for _ in range(30)} <= set(elements.items())
    for count in (1, 40, 99):
        sample = found.sample(count, random)
        assert len(dict(sample)) == count and set(sample) <= set(elements.items())
        assert set(found.sample_repeating(count, random)) <= set(elements.items())


def test_pages_cover_all_elements_while_others_come_and_go() -> None:
    keyspace, _ = tiny_keyspace()
    lasting = {b"stay%d" % number: float(number) for number in range(100)}
    fill(keyspace, lasting)
    seen: list[Element] = []
    cursor, churn = 0, 0
    while True:
        found = reopened(keyspace)
        cursor, page = found.scan(cursor, 7)
        seen += page
        if not cursor:
            break
        churn += 1
        found.put(b"go%d" % churn, 1.0, None)
        if (score := found.score(b"go%d" % (churn - 3))) is not None:
            found.remove(b"go%d" % (churn - 3), score)
        found.save()
    stayed = [element for element in seen if element[0].startswith(b"stay")]
    assert sorted(stayed) == sorted(lasting.items())


@FORMS
def test_replacing_takes_a_stream_in_any_order(packed_max_entries: int) -> None:
    keyspace, store = tiny_keyspace(packed_max_entries)
    db = keyspace.database(0)
    elements = {b"%d" % number: number % 7.0 for number in range(200)}
    db.set_expiring(KEY, b"text", NOW + 1000)
    assert replace_sorted_set(db, KEY, iter(elements.items())) == 200
    found = reopened(keyspace)
    assert list(found.between(0, 200)) == by_score(elements)
    assert (found.root.encoding, found.root.deadline_ms) == (SKIPLIST, 0)
    assert check_sorted_sets(store.snapshot()) == (packed_max_entries == 2)
    # From the very set that is replaced: streams hold no iterator of the store.
    assert replace_sorted_set(db, KEY, found.between(50, 150)) == 100
    assert list(reopened(keyspace).between(0, 200)) == by_score(elements)[50:150]
    assert replace_sorted_set(db, KEY, iter(())) == 0
    assert reopened(keyspace).count == 100


@FORMS
def test_encodings_are_those_of_redis(packed_max_entries: int) -> None:
    keyspace, _ = tiny_keyspace(packed_max_entries)
    db = keyspace.database(0)
    keyspace.limits.zset_max_listpack_entries = 4
    four = {b"%d" % number: 1.0 for number in range(4)}
    assert fill(keyspace, four).root.encoding == LISTPACK
    found = fill(keyspace, {**four, b"4": 1.0})
    assert found.root.encoding == SKIPLIST
    found.remove(b"4", 1.0)
    assert found.root.encoding == SKIPLIST
    for members_, expected in ((four, LISTPACK), ([b"x" * 65], SKIPLIST), ([b"x" * 64], LISTPACK)):
        replace_sorted_set(db, KEY, [(member, 1.0) for member in members_])
        assert reopened(keyspace).root.encoding == expected
    found = reopened(keyspace)
    found.expect(4)
    assert found.root.encoding == LISTPACK
    found.expect(5)
    assert found.root.encoding == SKIPLIST
    assert new_sorted_set(db, b"n", b"x" * 65, 1).root.encoding == SKIPLIST


@FORMS
def test_a_listpack_knows_no_negative_zero(packed_max_entries: int) -> None:
    keyspace, store = tiny_keyspace(packed_max_entries)
    found = fill(keyspace, {b"a": -0.0, b"b": -0.0, b"c": 1.0})
    assert repr(found.scores([b"a", b"b"])) == "[0.0, 0.0]"
    keyspace.limits.zset_max_listpack_entries = 3
    found.put(b"d", -0.0, None)
    found.save()
    found = reopened(keyspace)
    assert repr(list(found.between(0, 4))) == repr(
        [(b"a", 0.0), (b"b", 0.0), (b"d", -0.0), (b"c", 1.0)]
    )
    check_sorted_sets(store.snapshot())


def test_another_kind_is_refused() -> None:
    keyspace, _ = tiny_keyspace()
    keyspace.database(0).set(KEY, b"text")
    with pytest.raises(WrongTypeError):
        open_sorted_set(keyspace.database(0), KEY, NOW)


def test_the_worked_example_of_the_format_document() -> None:
    for title, packed_max_entries in (
        ("`ZADD z 2.5 b -1 a 2.5 c -inf d` writes", 4),
        ("the largest count nodes had three,", 2),
    ):
        store = MemoryStore(tally)
        keyspace = Keyspace(store)
        keyspace.limits.packed_max_entries = packed_max_entries
        keyspace.ranks.node_entries_min = 3
        found = new_sorted_set(keyspace.database(0), b"z", b"b", 4)
        for member, score in ((b"b", 2.5), (b"a", -1.0), (b"c", 2.5), (b"d", -inf)):
            found.put(member, score, None)
        found.save()
        assert store.snapshot() == documented_entries(title)
