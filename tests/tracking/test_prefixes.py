"""Finding who tracks a key by its prefixes, and what is to be told of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.server.network.tracking.broadcasts import Broadcasts, keys_for
from kiwi_engine.server.network.tracking.prefixes import PrefixTable

TEXT = st.binary(max_size=4).map(lambda data: bytes(byte % 2 + 97 for byte in data))
CHANGES = st.lists(st.tuples(st.booleans(), st.integers(1, 3), TEXT), max_size=40)


@given(CHANGES, st.lists(TEXT, max_size=10))
def test_all_prefixes_of_a_key_are_found(
    changes: list[tuple[bool, int, bytes]], keys: list[bytes]
) -> None:
    table = PrefixTable()
    model: set[tuple[bytes, int]] = set()
    for is_added, source, prefix in changes:
        if is_added:
            table.add(source, [prefix])
            model.add((prefix, source))
        elif (prefix, source) in model:
            table.remove(source, [prefix])
            model.remove((prefix, source))
    prefixes = {prefix for prefix, _ in model}
    assert len(table) == len(prefixes)
    for key in keys:
        assert table.of_key(key) == sorted(filter(key.startswith, prefixes), key=len)
    for prefix in prefixes:
        assert table.trackers(prefix) == sorted(each for p, each in model if p == prefix)


def test_changes_are_gathered_by_prefix() -> None:
    table = PrefixTable()
    table.add(1, [b"b", b"a"])
    table.add(2, [b""])
    broadcasts = Broadcasts(table)
    for key, by in ((b"b2", 1), (b"b1", 2), (b"a", 0), (b"c", 1), (b"b2", 2)):
        broadcasts.add(key, by)
    assert list(broadcasts.take()) == [
        (b"", {b"b2": 2, b"b1": 2, b"a": 0, b"c": 1}),
        (b"a", {b"a": 0}),
        (b"b", {b"b2": 2, b"b1": 2}),
    ]
    assert not broadcasts
    assert list(broadcasts.take()) == []


def test_who_changed_a_key_last_may_be_spared_it() -> None:
    changed = {b"b": 1, b"a": 2, b"c": 0}
    assert keys_for(changed, None) == [b"a", b"b", b"c"]
    assert keys_for(changed, 1) == [b"a", b"c"]
    assert keys_for({b"b": 1}, 1) == []
