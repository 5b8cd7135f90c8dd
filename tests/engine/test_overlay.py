"""Merging what is pending over what lies below, against dicts."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commit.group import Entry, Group
from kiwi_engine.engine.clean_cache import ENTRY_OVERHEAD_BYTES
from kiwi_engine.engine.overlay import Generation, joined, overlay

KEY = st.binary(min_size=1, max_size=2).map(lambda key: bytes(b"abc"[byte % 3] for byte in key))
ROWS = st.dictionaries(KEY, st.none() | st.binary(max_size=2), max_size=8)
RANGES = st.lists(st.tuples(KEY, KEY), max_size=4)


def rows_of(entries: dict[bytes, Entry], reverse: bool) -> list[tuple[bytes, Entry]]:
    return sorted(entries.items(), key=lambda row: row[0], reverse=reverse)


@given(ROWS, ROWS, RANGES, st.booleans())
def test_the_upper_rows_win_and_hidden_ones_are_dropped(
    upper: dict[bytes, Entry],
    lower: dict[bytes, Entry],
    ranges: list[tuple[bytes, bytes]],
    reverse: bool,
) -> None:
    def hides(key: bytes) -> bool:
        return any(begin <= key < end for begin, end in ranges)

    rows = overlay(iter(rows_of(upper, reverse)), iter(rows_of(lower, reverse)), hides, reverse)
    seen = {key: entry for key, entry in lower.items() if not hides(key)} | upper
    assert list(rows) == rows_of(seen, reverse)


def test_both_sides_are_read_lazily() -> None:
    def endless() -> object:
        number = 0
        while True:
            number += 1
            yield b"%09d" % number, b""

    rows = overlay(iter([(b"000000002", b"upper")]), endless(), None, reverse=False)  # type: ignore[arg-type]
    assert [next(rows) for _ in range(3)] == [
        (b"000000001", b""),
        (b"000000002", b"upper"),
        (b"000000003", b""),
    ]


@given(RANGES, KEY)
def test_joined_ranges_hold_the_same_keys_once(
    ranges: list[tuple[bytes, bytes]], key: bytes
) -> None:
    result = joined(ranges)
    inside = [begin <= key < end for begin, end in result]
    assert sum(inside) == any(begin <= key < end for begin, end in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(result))


STEPS = st.lists(
    st.tuples(st.just("put"), KEY, st.none() | st.binary(max_size=2))
    | st.tuples(st.just("range"), KEY, KEY)
    | st.tuples(st.just("rows"), KEY, KEY),
    max_size=30,
)


@given(STEPS, st.booleans())
def test_a_generation_keeps_its_order_through_writes_and_deletions(
    steps: list[tuple[str, bytes, bytes]], reverse: bool
) -> None:
    generation, model = Generation(0), dict[bytes, Entry]()
    for kind, key, value in [*steps, ("rows", b"a", b"d")]:
        if kind == "put":
            generation.entries[key] = model[key] = value
        elif kind == "range":
            generation.delete_range(key, value)
            model = {k: v for k, v in model.items() if not key <= k < value}
        else:
            within = {k: v for k, v in model.items() if key <= k < value}
            assert list(generation.rows(key, value, reverse)) == rows_of(within, reverse)


def test_absorbing_a_group_deletes_its_ranges_before_it_sets_its_changes() -> None:
    generation = Generation(0)
    generation.entries.update({b"a": b"1", b"b": b"2", b"x": b"3"})
    group = Group(0)
    group.ranges.append((b"a", b"c"))
    group.changes[b"b"] = b"new"
    group.bytes = 7
    generation.absorb(group)
    assert generation.entries == {b"b": b"new", b"x": b"3"}
    assert generation.covers(b"a")
    assert not generation.covers(b"c")
    assert (generation.groups, generation.bytes) == ([group], 7 + ENTRY_OVERHEAD_BYTES)
