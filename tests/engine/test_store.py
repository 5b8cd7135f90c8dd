"""What a store reads and what it does not; the model tests check that what it reads is right."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kiwi_engine.commit.group import Group
from kiwi_engine.engine.clean_cache import ENTRY_OVERHEAD_BYTES, CleanCache
from kiwi_engine.engine.overlay import group_memory_bytes
from kiwi_engine.engine.store import Store
from kiwi_engine.engine.store_protocol import UNKNOWN
from kiwi_engine.engine.stored import encode_stored
from kiwi_engine.errors import CorruptionError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.vlog.format import Pointer, encode_pointer
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.separated import LargeValue, Separated
from tests.engine.model import ALL_KEYS, tally

LARGE = b"0123456789abcdef, and more than the threshold"
POINTER = encode_pointer(Pointer(1, 20, 90, 45))


class CountingIndex(MemoryIndex):
    """Notes which keys are read from it."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        super().__init__(entries)
        self.reads: list[list[bytes]] = []

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.reads.append(list(keys))
        return super().get_many(keys)


@pytest.fixture
def index() -> CountingIndex:
    entries = {b"old%d" % n: b"value%d" % n for n in range(4)}
    stored = {key: encode_stored(value) for key, value in entries.items()}
    stored[b"separated"] = encode_stored(Separated(POINTER, LARGE[:16]))
    return CountingIndex(stored)


@pytest.fixture
def store(index: CountingIndex) -> Store:
    values = ValueLogReader(CrashFs(), "/data/vlog")
    made = Store(index, values, CleanCache(1 << 20), tally, 40, 0)
    made.counters[ALL_KEYS] = 5
    return made


def test_writes_are_blind(store: Store, index: CountingIndex) -> None:
    store.put(b"old0", b"new")
    store.put(b"fresh", LARGE)
    store.delete(b"old1")
    store.delete_range(b"old2", b"old3")
    assert index.reads == []
    assert isinstance(store.group.changes[b"fresh"], LargeValue)


def test_what_is_pending_is_read_from_memory(store: Store, index: CountingIndex) -> None:
    store.put(b"old0", b"new")
    store.put(b"fresh", LARGE)
    store.delete(b"old1")
    store.delete_range(b"old2", b"old3")
    wanted = {b"old0": b"new", b"fresh": LARGE, b"old1": None, b"old2": None}
    assert {key: store.get(key) for key in wanted} == wanted
    assert store.head(b"fresh") == LARGE[:16]
    assert store.peek_head(b"fresh") == LARGE[:16]
    assert store.peek_head(b"old1") is None
    assert index.reads == []


def test_a_second_read_comes_from_the_clean_cache(store: Store, index: CountingIndex) -> None:
    assert store.peek_head(b"old0") is UNKNOWN
    assert [store.get(b"old0") for _ in range(3)] == [b"value0"] * 3
    assert store.peek_head(b"old0") == b"value0"
    assert index.reads == [[b"old0"]]


def test_prefetch_reads_only_what_memory_does_not_know(store: Store, index: CountingIndex) -> None:
    store.put(b"old0", b"new")
    store.get(b"old1")
    index.reads.clear()
    store.prefetch([b"old0", b"old1", b"old2", b"old3", b"none"])
    assert index.reads == [[b"old2", b"old3", b"none"]]
    assert (store.get(b"old2"), store.get(b"old3")) == (b"value2", b"value3")
    assert len(index.reads) == 1


def test_prefetch_leaves_a_single_key_to_its_read(store: Store, index: CountingIndex) -> None:
    store.prefetch([b"old0"])
    assert index.reads == []


def test_the_head_of_a_separated_value_needs_no_value_log(store: Store) -> None:
    assert store.head(b"separated") == LARGE[:16]
    assert dict(store.range(b"s", b"t")) == {b"separated": LARGE[:16]}
    with pytest.raises(CorruptionError, match="the segment is missing"):
        store.get(b"separated")


def test_counting_resolves_what_is_pending_with_one_read(
    store: Store, index: CountingIndex
) -> None:
    store.put(b"old0", b"overwritten")
    store.put(b"fresh", b"v")
    store.delete(b"old1")
    store.delete(b"none")
    assert store.count(ALL_KEYS) == 5
    assert len(index.reads) == 1
    store.delete(b"old2")
    assert store.count(ALL_KEYS) == 4


def test_counting_waits_for_a_drain_that_is_under_way(store: Store) -> None:
    waited: list[bool] = []
    store.settle_drain = lambda: waited.append(True)
    assert store.count(ALL_KEYS) == 5
    assert waited == [True]


def test_deletions_of_a_newer_range_count_for_the_older_generation(store: Store) -> None:
    store.put(b"fresh1", b"v")
    store.register_group()
    store.draining = store.generation
    store.open_generation(0)
    store.open_group(Group(0))
    assert store.count(ALL_KEYS) == 6
    store.delete_range(b"fresh", b"fresi")
    assert store.count(ALL_KEYS) == 5
    assert store.get(b"fresh1") is None


def test_rebuilding_keeps_the_groups_that_are_in_the_log(store: Store) -> None:
    kept, dropped = Group(0), Group(0)
    for number, group in enumerate((kept, dropped), start=1):
        store.open_group(group)
        store.put(b"old0", b"by group %d" % number)
        store.put(b"k%d" % number, b"v")
        store.register_group()
        group.lsn = number
    assert store.pending_bytes() == group_memory_bytes(kept) + group_memory_bytes(dropped)
    store.rebuild(1, 0)
    assert (store.get(b"old0"), store.get(b"k1"), store.get(b"k2")) == (b"by group 1", b"v", None)
    assert store.pending_bytes() == group_memory_bytes(kept)
    store.rebuild(0, 0)
    assert store.get(b"old0") == b"value0"


def test_a_group_that_grew_is_counted_once(store: Store) -> None:
    store.put(b"a", b"12345")
    store.register_group()
    assert store.pending_bytes() == 6 + ENTRY_OVERHEAD_BYTES
    store.put(b"b", b"12345")
    store.register_group()
    assert store.pending_bytes() == 12 + 2 * ENTRY_OVERHEAD_BYTES
    assert store.generation.groups == [store.group]


def test_a_key_that_prefetch_did_not_find_is_not_asked_for_again(
    store: Store, index: CountingIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.prefetch([b"old0", b"new0", b"new1"])
    asked: list[bytes] = []
    real_get = index.get

    def get(key: bytes) -> bytes | None:
        asked.append(key)
        return real_get(key)

    monkeypatch.setattr(index, "get", get)
    assert store.get(b"old0") == b"value0"
    assert store.get(b"new0") is None and store.head(b"new1") is None
    assert asked == []
    store.put(b"new0", b"v")
    assert store.get(b"new0") == b"v"
    store.delete(b"new0")
    assert store.get(b"new0") is None
    store.open_group(Group(0))
    index.write([(b"new1", encode_stored(b"drained"))], [])
    assert store.get(b"new1") == b"drained"
