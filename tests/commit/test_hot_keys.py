"""The sketch against exact counts, and the window of a second."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from kiwi_engine.commit.hot_keys import KEY_BYTES_MAX, HotKey, HotKeys, WriteWindow


def key(number: int) -> tuple[int, bytes]:
    return 0, b"k%d" % number


def feed(sketch: HotKeys, numbers: list[int]) -> Counter[int]:
    for number in numbers:
        sketch.add_total(1.0)
        sketch.add(key(number), 1.0)
    return Counter(numbers)


def test_few_keys_are_counted_exactly() -> None:
    sketch = HotKeys(capacity=4)
    feed(sketch, [1, 2, 1, 1, 3, 1, 2, 1])
    assert sketch.top(2, 0.0) == [HotKey(0, b"k1", 5 / 8), HotKey(0, b"k2", 2 / 8)]
    assert sketch.top(9, 0.25) == sketch.top(2, 0.0)
    assert sketch.top(9, 0.0, hits_min=5) == [HotKey(0, b"k1", 5 / 8)]


@pytest.mark.parametrize("seed", range(20))
def test_heavy_keys_are_found_and_nothing_is_overstated(seed: int) -> None:
    random = Random(seed)
    numbers = [
        random.randrange(3) if random.random() < 0.4 else random.randrange(3, 5000)
        for _ in range(4000)
    ]
    sketch = HotKeys(capacity=16)
    exact = feed(sketch, numbers)
    found = {each.key: each.share for each in sketch.top(16, 0.0)}
    for number, count in exact.items():
        share = found.get(key(number)[1])
        if share is not None:
            assert share <= count / len(numbers), f"seed {seed}"
        assert share is not None or count <= len(numbers) / 16, f"seed {seed}: k{number} is missing"
    assert {each.key for each in sketch.top(3, 0.05)} == {key(number)[1] for number in range(3)}


def test_no_key_of_many_equal_ones_is_called_hot() -> None:
    random = Random(1)
    sketch = HotKeys()
    feed(sketch, [random.randrange(100_000) for _ in range(5000)])
    assert sketch.top(10, 0.01) == []


def test_the_past_is_forgotten() -> None:
    sketch = HotKeys()
    feed(sketch, [1] * 100)
    for _ in range(5):
        sketch.halve()
    feed(sketch, [2] * 30)
    assert [each.key for each in sketch.top(9, 0.0)] == [b"k2", b"k1"]
    for _ in range(9):
        sketch.halve()
    assert sketch.top(9, 0.0) == []


def test_an_empty_sketch_and_long_keys() -> None:
    sketch = HotKeys()
    assert sketch.top(9, 0.0) == []
    sketch.add_total(1.0)
    sketch.add((0, b"k" * (KEY_BYTES_MAX + 1)), 1.0)
    assert sketch.top(9, 0.0) == []


def test_one_key_in_two_databases_is_two() -> None:
    sketch = HotKeys()
    sketch.add_total(2.0)
    sketch.add((1, b"k"), 1.0)
    sketch.add((0, b"k"), 1.0)
    assert {each.database for each in sketch.top(9, 0.0)} == {0, 1}


def test_a_key_has_its_share_of_each_second() -> None:
    window = WriteWindow()
    assert [window.admit([key(1)], 3, 5000 + at) for at in (0, 1, 999)] == [None] * 3
    assert window.admit([key(1)], 3, 5999) == key(1)
    assert window.admit([key(2)], 3, 5999) is None
    assert window.admit([key(1)], 3, 6000) is None


def test_a_denied_write_counts_for_none_of_its_keys() -> None:
    window = WriteWindow()
    assert window.admit([key(1)], 1, 0) is None
    assert window.admit([key(2), key(1)], 1, 0) == key(1)
    assert window.admit([key(2)], 1, 0) is None


def test_the_window_is_bounded_and_never_denies_what_it_did_not_count() -> None:
    window = WriteWindow(keys_max=2)
    for number in (1, 2, 3):
        assert window.admit([key(number)], 1, 0) is None
    assert [window.admit([key(number)], 1, 0) for number in (1, 2, 3)] == [key(1), key(2), None]
