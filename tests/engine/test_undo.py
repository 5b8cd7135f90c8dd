"""What a command changed before it failed is taken back, in group and generation alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.commit.group import Group
from kiwi_engine.engine import undo
from kiwi_engine.engine.clean_cache import CleanCache
from kiwi_engine.engine.store import Store
from kiwi_engine.engine.store_protocol import Store as StoreProtocol
from kiwi_engine.engine.stored import encode_stored
from kiwi_engine.errors import OverloadedError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.testing.memory_store import MemoryStore
from kiwi_engine.vlog.reader import ValueLogReader
from tests.engine.model import tally

LARGE = b"more than the threshold of ten"
KEYS = [b"a%d" % number for number in range(6)] + [b"b"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS), st.sampled_from([b"", b"v", LARGE])),
        st.tuples(st.just("delete"), st.sampled_from(KEYS), st.just(b"")),
        st.tuples(st.just("range"), st.sampled_from(KEYS), st.sampled_from(KEYS)),
        st.tuples(st.just("walk"), st.just(b""), st.just(b"")),
    ),
    max_size=12,
)


def real_store() -> Store:
    index = MemoryIndex({key: encode_stored(b"old") for key in KEYS[:3]})
    values = ValueLogReader(CrashFs(), "/data/vlog")
    return Store(index, values, CleanCache(1 << 20), tally, 10, 0)


def memory_store() -> MemoryStore:
    store = MemoryStore(tally)
    for key in KEYS[:3]:
        store.put(key, b"old")
    return store


def contents(store: StoreProtocol) -> dict[bytes, bytes]:
    return dict(store.scan(b"", b"\xff"))


def change(store: StoreProtocol, steps: list[tuple[str, bytes, bytes]]) -> None:
    for action, first, second in steps:
        if action == "put":
            store.put(first, second)
        elif action == "delete":
            store.delete(first)
        elif action == "range":
            store.delete_range(first, second)
        else:
            contents(store)


@pytest.mark.parametrize("make", [real_store, memory_store])
@given(before=STEPS, failing=STEPS, after=STEPS)
@settings(max_examples=200, deadline=None)
def test_only_the_last_command_is_taken_back(
    make: Callable[[], Store | MemoryStore],
    before: list[tuple[str, bytes, bytes]],
    failing: list[tuple[str, bytes, bytes]],
    after: list[tuple[str, bytes, bytes]],
) -> None:
    store, other = make(), make()
    store.keep_undo(True)
    change(store, before)
    store.forget_undo()
    change(store, failing)
    store.undo()
    change(other, before)
    assert contents(store) == contents(other)
    store.forget_undo()
    change(store, after)
    change(other, after)
    assert contents(store) == contents(other)


@given(before=STEPS, failing=STEPS)
@settings(max_examples=200, deadline=None)
def test_the_group_is_as_it_was(
    before: list[tuple[str, bytes, bytes]], failing: list[tuple[str, bytes, bytes]]
) -> None:
    store, other = real_store(), real_store()
    for each in (store, other):
        each.open_group(Group(0))
    change(store, before)
    change(other, before)
    store.keep_undo(True)
    change(store, failing)
    store.undo()
    group, wanted = store.group, other.group
    assert {key: _plain(entry) for key, entry in group.changes.items()} == {
        key: _plain(entry) for key, entry in wanted.changes.items()
    }
    assert group.ranges == wanted.ranges
    assert [key for key, _ in group.large] == [key for key, _ in wanted.large]
    assert group.bytes == wanted.bytes
    assert store.generation.ranges == other.generation.ranges


def _plain(entry: object) -> object:
    return getattr(entry, "value", entry)


def test_what_was_told_of_the_changes_is_taken_back_with_them() -> None:
    store = real_store()
    group = Group(0)
    store.open_group(group)
    store.keep_undo(True)
    store.put(b"a0", b"v")
    group.replies.append((0, b"a0 was changed", 0))
    store.forget_undo()
    store.put(b"a1", b"v")
    group.replies.append((0, b"a1 was changed", 0))
    assert store.undo()
    assert group.replies == [(0, b"a0 was changed", 0)]


def test_nothing_is_taken_back_without_a_journal() -> None:
    store = real_store()
    store.put(b"a0", b"v")
    assert not store.undo()
    store.keep_undo(True)
    assert not store.undo()
    store.keep_undo(False)
    store.put(b"a1", b"v")
    assert not store.undo()
    assert store.get(b"a1") == b"v"


def test_a_command_that_no_log_record_could_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undo, "GROUP_BYTES_MAX", 50)
    store = real_store()
    store.keep_undo(True)
    with pytest.raises(OverloadedError, match="more than 50 bytes would be changed at once"):
        for number in range(100):
            store.put(b"c%d" % number, b"value")
    assert store.undo()
    assert contents(store) == dict.fromkeys(KEYS[:3], b"old")
    assert store.group.bytes == 0
