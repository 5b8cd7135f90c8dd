"""The fake index and RocksDB keep the same promises."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kiwi_engine.errors import EngineClosedError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.index.protocol import Change, Index, KeyRange
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.testing.memory_index import MemoryIndex

SMALL = IndexSettings(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20)


@pytest.fixture(params=["memory", "rocks"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened: Index = (
        MemoryIndex() if request.param == "memory" else RocksIndex.open(str(tmp_path), SMALL)
    )
    yield opened
    opened.close()


def put(*keys: bytes) -> list[Change]:
    return [(key, b"value of " + key) for key in keys]


def keys_in(index: Index, begin: bytes, end: bytes | None, *, reverse: bool = False) -> list[bytes]:
    return [key for key, _ in index.iterate(begin, end, reverse=reverse)]


def test_an_absent_key_is_none(index: Index) -> None:
    assert index.get(b"nothing") is None
    assert index.get_many([]) == []


def test_get_many_keeps_the_order_and_the_duplicates(index: Index) -> None:
    index.write(put(b"a", b"b"), [])
    assert index.get_many([b"b", b"x", b"a", b"b"]) == [
        b"value of b",
        None,
        b"value of a",
        b"value of b",
    ]


def test_any_bytes_are_keys_and_values(index: Index) -> None:
    entries = [(b"", b""), (b"\x00", b"\x00\xff"), (b"\xff" * 300, bytes(range(256)))]
    index.write(entries, [])
    assert list(index.iterate(b"", None)) == entries
    assert index.get_many([key for key, _ in entries]) == [value for _, value in entries]


def test_keys_compare_as_unsigned_bytes(index: Index) -> None:
    index.write(put(b"\xff", b"\x7f", b"\x80", b"\x7f\x00"), [])
    assert keys_in(index, b"", None) == [b"\x7f", b"\x7f\x00", b"\x80", b"\xff"]


def test_ranges_are_deleted_before_changes_apply(index: Index) -> None:
    index.write(put(b"a", b"b", b"c", b"d"), [])
    index.write([(b"b", b"new")], [(b"a", b"d")])
    assert list(index.iterate(b"", None)) == [(b"b", b"new"), (b"d", b"value of d")]


def test_the_last_change_of_a_key_wins(index: Index) -> None:
    index.write([(b"k", b"1"), (b"k", None), (b"k", b"2")], [])
    assert index.get(b"k") == b"2"
    index.write([(b"k", b"3"), (b"k", None)], [])
    assert index.get(b"k") is None


@pytest.mark.parametrize("empty", [(b"b", b"b"), (b"c", b"a")])
def test_an_empty_range_deletes_nothing(index: Index, empty: KeyRange) -> None:
    index.write(put(b"a", b"b", b"c"), [])
    index.write([], [empty])
    assert keys_in(index, b"", None) == [b"a", b"b", b"c"]


def test_iteration_bounds(index: Index) -> None:
    index.write(put(b"a", b"b", b"c", b"d"), [])
    assert keys_in(index, b"b", b"d") == [b"b", b"c"]
    assert keys_in(index, b"b", b"d", reverse=True) == [b"c", b"b"]
    assert keys_in(index, b"aa", b"cc", reverse=True) == [b"c", b"b"]
    assert keys_in(index, b"c", None, reverse=True) == [b"d", b"c"]
    assert keys_in(index, b"x", b"z") == []
    assert keys_in(index, b"x", b"z", reverse=True) == []
    assert keys_in(index, b"0", b"a", reverse=True) == []


def test_an_iterator_shows_the_moment_of_its_call(index: Index) -> None:
    index.write(put(b"a", b"b"), [])
    entries = index.iterate(b"", None)
    index.write([(b"a", None), (b"c", b"late")], [])
    assert [key for key, _ in entries] == [b"a", b"b"]
    assert keys_in(index, b"", None) == [b"b", b"c"]


def test_random_batches_equal_a_dict(index: Index) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    model: dict[bytes, bytes] = {}
    for step in range(150):
        changes, ranges = random_batch(chance)
        index.write(changes, ranges)
        apply_to_model(model, changes, ranges)
        if chance.random() < 0.1:
            index.flush()
        begin, end = random_key(chance), random_key(chance)
        expected = sorted((k, v) for k, v in model.items() if begin <= k < end)
        assert list(index.iterate(begin, end)) == expected, f"seed {seed}, step {step}"
        backwards = list(index.iterate(begin, end, reverse=True))
        assert backwards == expected[::-1], f"seed {seed}, step {step}"
    assert dict(index.iterate(b"", None)) == model, f"seed {seed}"


def random_key(chance: random.Random) -> bytes:
    return bytes(chance.choices(b"\x00a\x7f\xff", k=chance.randrange(4)))


def random_batch(chance: random.Random) -> tuple[list[Change], list[KeyRange]]:
    changes: list[Change] = [
        (random_key(chance), chance.choice([None, chance.randbytes(chance.randrange(40))]))
        for _ in range(chance.randrange(8))
    ]
    ranges = [(random_key(chance), random_key(chance)) for _ in range(chance.choice([0, 0, 0, 2]))]
    return sorted(changes, key=lambda change: change[0]), ranges


def apply_to_model(
    model: dict[bytes, bytes], changes: list[Change], ranges: list[KeyRange]
) -> None:
    for begin, end in ranges:
        for key in [key for key in model if begin <= key < end]:
            del model[key]
    for key, value in changes:
        model.pop(key, None)
        if value is not None:
            model[key] = value


def test_facts_follow_writes_and_flushes(index: Index) -> None:
    assert index.facts().level_zero_files == 0
    index.write(put(b"a", b"b"), [])
    facts = index.facts()
    assert facts.memtable_bytes > 0
    assert facts.estimated_keys == 2
    index.flush()
    facts = index.facts()
    assert facts.level_zero_files == 1
    assert facts.table_bytes > 0
    assert not facts.write_stopped
    assert facts.background_errors == 0


def test_a_closed_index_refuses_every_call(index: Index) -> None:
    index.close()
    index.close()
    calls: list[Callable[[], object]] = [
        lambda: index.get(b"k"),
        lambda: index.get_many([b"k"]),
        lambda: index.write([(b"k", b"v")], []),
        lambda: index.iterate(b"", None),
        index.flush,
        index.facts,
    ]
    for call in calls:
        with pytest.raises(EngineClosedError):
            call()


def test_a_checkpoint_holds_what_was_written_before_it(index: Index, tmp_path: Path) -> None:
    if isinstance(index, MemoryIndex):
        index.files = PosixFileSystem()
    index.write(put(b"a", b"b"), [])
    index.write([(b"a", None)], [])
    path = str(tmp_path / "checkpoint")
    index.checkpoint(path)
    index.write(put(b"c"), [(b"a", b"c")])
    twin: Index
    if isinstance(index, MemoryIndex):
        twin = MemoryIndex.from_checkpoint(PosixFileSystem(), path)
    else:
        twin = RocksIndex.open(path, SMALL)
    assert keys_in(twin, b"", None) == [b"b"]
    twin.write(put(b"d"), [])
    twin.close()
    assert keys_in(index, b"", None) == [b"c"], "each goes its own way"
