"""Which connections may have cached which keys: against a model, and its bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commands.tracking.tracked_keys import TrackedKeys

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
SOURCES = st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("remember"), SOURCES, st.lists(KEYS, max_size=3)),
        st.tuples(st.just("touched"), KEYS),
        st.tuples(st.just("forget"), SOURCES),
        st.tuples(st.just("sweep"), st.integers(1, 6)),
        st.tuples(st.just("flushed")),
        st.tuples(st.just("bound"), st.integers(0, 4)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_tells_and_forgets_like_a_set_of_pairs(steps: list[tuple[object, ...]]) -> None:
    """Numbers of connections are not used twice, so each `forget` gives the next ones new ones."""
    tracked = TrackedKeys()
    model: set[tuple[bytes, int]] = set()
    gone: set[int] = set()
    generation = dict.fromkeys(range(1, 5), 0)
    for name, *arguments in steps:
        if name == "remember":
            number, keys = arguments
            assert isinstance(number, int)
            assert isinstance(keys, list)
            source = number + 10 * generation[number]
            tracked.remember(source, keys)
            model |= {(key, source) for key in keys}
            for key, readers in tracked.excess():
                told = {source for each, source in model if each == key}
                assert told - gone <= set(readers) <= told
                model = {pair for pair in model if pair[0] != key}
            assert not tracked.keys_max or len(tracked) <= tracked.keys_max
        elif name == "touched":
            (changed,) = arguments
            assert isinstance(changed, bytes)
            told = {source for each, source in model if each == changed}
            # Those that are gone may have been taken out, and the others never.
            readers = tracked.touched(changed)
            assert readers == sorted(readers)
            assert told - gone <= set(readers) <= told
            model = {pair for pair in model if pair[0] != changed}
        elif name == "forget":
            (number,) = arguments
            assert isinstance(number, int)
            source = number + 10 * generation[number]
            tracked.forget(source)
            gone.add(source)
            generation[number] += 1
        elif name == "sweep":
            (limit,) = arguments
            assert isinstance(limit, int)
            tracked.sweep(limit)
        elif name == "flushed":
            tracked.flushed()
            model.clear()
        else:
            (bound,) = arguments
            assert isinstance(bound, int)
            tracked.keys_max = bound
    living = {pair for pair in model if pair[1] not in gone}
    assert len({key for key, _ in living}) <= len(tracked) <= len({key for key, _ in model})
    assert len(living) <= tracked.item_count <= len(model)
    for _ in range(3):
        tracked.sweep(1000)
    assert tracked.item_count == len(living)
    assert len(tracked) == len({key for key, _ in living})
    assert {(key, source) for key, _ in model for source in tracked.touched(key)} == living
    assert (len(tracked), tracked.item_count) == (0, 0)


def test_the_oldest_key_goes_first() -> None:
    tracked = TrackedKeys()
    tracked.keys_max = 2
    tracked.remember(1, [b"a", b"b"])
    tracked.remember(2, [b"b", b"a"])
    assert list(tracked.excess()) == []
    tracked.remember(1, [b"c", b"d"])
    assert list(tracked.excess()) == [(b"a", [1, 2]), (b"b", [1, 2])]
    assert tracked.item_count == 2


def test_no_bound() -> None:
    tracked = TrackedKeys()
    tracked.keys_max = 0
    tracked.remember(1, [b"%d" % n for n in range(1000)])
    assert list(tracked.excess()) == []
    assert len(tracked) == 1000


def test_a_sweep_ends_also_while_connections_keep_leaving() -> None:
    """One that goes while a sweep is under way is left to the next one."""
    tracked = TrackedKeys()
    for source in range(1, 101):
        tracked.remember(source, [b"own-%d" % source, b"hot"])
    for source in range(1, 100):
        tracked.forget(source)
        tracked.sweep(10)
    for _ in range(100):
        tracked.sweep(10)
    assert len(tracked) == 2
    assert tracked.item_count == 2
    assert tracked.touched(b"hot") == [100]


def test_who_has_read_nothing_costs_no_sweep() -> None:
    tracked = TrackedKeys()
    tracked.remember(1, [b"a", b"b"])
    tracked.forget(2)
    tracked.sweep(1)
    # A sweep would have put it behind the other.
    tracked.keys_max = 1
    assert next(tracked.excess()) == (b"a", [1])
