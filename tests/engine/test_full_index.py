"""The index finds no disk space: the drain is made again, and nothing is counted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Literal
from unittest.mock import patch

import msgspec
import pytest

from kiwi_engine.engine.collection import collector
from kiwi_engine.engine.recovery.opening import open_directory
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.state import STATE_KEY
from kiwi_engine.errors import DiskFullError, IndexFailedError, IndexFullError, NoSpaceError
from kiwi_engine.index.protocol import Change, Index, KeyRange
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.given_index import GivenIndex
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.wal.format import RECYCLED
from tests.engine.model import KEYS, SIZES, History, Life, check_store, tally
from tests.engine.model import Change as ModelChange
from tests.engine.stepped import tiny_steps
from tests.engine.test_engine import LARGE, SETTINGS, commit, drain

Kind = Literal["put", "delete", "range"]

SEEDS = range(6)
ROUNDS = 6


class FullIndex(MemoryIndex):
    """Its operations fail while `is_full`, and those with a number in `failing`."""

    def __init__(self, failing: frozenset[int] = frozenset()) -> None:
        super().__init__()
        self.failing = failing
        self.is_full = False
        self.operations = 0

    def write(self, changes: Sequence[Change], ranges: Sequence[KeyRange]) -> None:
        self._pass()
        super().write(changes, ranges)

    def flush(self) -> None:
        self._pass()
        super().flush()

    def close(self) -> None:
        """As RocksDB, which is closed then all the same."""
        super().close()
        if self.is_full:
            raise IndexFullError("/data/index", "IO error: No space left on device")

    def _pass(self) -> None:
        self.operations += 1
        if self.is_full or self.operations in self.failing:
            raise IndexFullError("/data/index", "IO error: No space left on device")


def some_changes(random: Random) -> list[ModelChange]:
    changes: list[ModelChange] = []
    for _ in range(random.randint(1, 6)):
        key = random.choice(KEYS)
        kind: Kind = random.choice(("put", "put", "put", "delete", "range"))
        if kind == "range":
            changes.append((kind, key, key[:1] + b"9"))
        else:
            changes.append((kind, key, random.randbytes(random.choice(SIZES))))
    return changes


def drain_with_patience(life: Life) -> None:
    """Drain what is pending; while that fails, writes are refused and reads are right."""
    housekeeping = life.engine.housekeeping
    housekeeping.seal()
    for _ in range(10):
        life.engine.maintain()
        while life.jobs.run_one():
            pass
        life.engine.maintain()
        if life.engine.store.draining is None:
            return
        assert isinstance(life.engine.refusal, DiskFullError)
        check_store(life.engine.store, life.state)
    raise AssertionError("the drain never succeeded")


def outcome(seed: int, failing: frozenset[int]) -> tuple[object, int]:
    """What a seeded life leaves, and how many operations the index was asked for."""
    random = Random(seed)
    index = FullIndex(failing)
    life = Life(CrashFs(), index, SETTINGS, History())
    for _ in range(ROUNDS):
        for _ in range(random.randint(1, 3)):
            commit(life, *some_changes(random))
        drain_with_patience(life)
        life.engine.maintain()
        check_store(life.engine.store, life.state)
    assert life.engine.refusal is None
    drainer = life.engine.housekeeping.drainer
    entries = {key: value for key, value in index.iterate(b"", None) if key != STATE_KEY}
    return (entries, +Counter(life.engine.store.counts()), drainer.discards.items()), (
        index.operations
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drain_that_is_made_again_leaves_what_the_first_would_have(seed: int) -> None:
    # What is collected when depends on how often something is done.
    with tiny_steps(), patch.object(collector, "_SURVEY_INTERVAL_NS", 1 << 62):
        expected, operations = outcome(seed, frozenset())
        for at in range(1, operations + 1):
            for failing in (frozenset({at}), frozenset({at, at + 1})):
                found, _ = outcome(seed, failing)
                assert found == expected, f"seed {seed}, failing {sorted(failing)}"


def test_writes_are_refused_until_the_index_goes_on() -> None:
    with tiny_steps():
        index = FullIndex()
        life = Life(CrashFs(), index, SETTINGS, History())
        commit(life, ("put", b"a0", LARGE))
        index.is_full = True
        life.engine.housekeeping.seal()
        for _ in range(5):
            life.engine.maintain()
            life.jobs.run_one()
            life.engine.maintain()
            assert isinstance(life.engine.refusal, DiskFullError), "free space alone is not enough"
            assert life.engine.store.get(b"a0") == LARGE
        index.is_full = False
        drain(life)
        life.engine.maintain()
        assert life.engine.refusal is None
        commit(life, ("put", b"a0", b"new"))
        assert life.engine.store.get(b"a0") == b"new"


def test_a_flush_that_found_no_space_is_made_again() -> None:
    with tiny_steps():
        index = FullIndex()
        settings = msgspec.structs.replace(SETTINGS, wal_retained_bytes_max=1)
        life = Life(CrashFs(), index, settings, History())
        for number in range(10):
            commit(life, ("put", b"a0", b"value %d" % number))
        drain(life)
        index.is_full = True
        life.engine.maintain()
        while life.jobs.run_one():
            life.engine.maintain()
            if life.engine.refusal is not None:
                break
        refused = life.engine.refusal
        assert isinstance(refused, DiskFullError)
        released = life.engine.housekeeping.segments_released
        index.is_full = False
        life.engine.maintain()
        while life.jobs.run_one():
            life.engine.maintain()
        life.engine.maintain()
        assert life.engine.refusal is None
        assert life.engine.housekeeping.segments_released > released


def test_closing_on_a_full_disk_loses_nothing_and_lets_go_of_the_directory() -> None:
    index = FullIndex()
    life = Life(CrashFs(), index, SETTINGS, History())
    commit(life, ("put", b"a0", LARGE), ("put", b"b0", b"small"))
    index.is_full = True
    life.close()
    again = Life(life.fs, MemoryIndex(index.durable), SETTINGS, life.history)
    check_store(again.engine.store, life.state)
    assert again.engine.opened.report.records_replayed == 1


def test_an_index_that_cannot_be_closed_is_told_and_the_directory_let_go() -> None:
    class Broken(MemoryIndex):
        def close(self) -> None:
            raise IndexFailedError("/data/index", "IO error: no luck")

    life = Life(CrashFs(), Broken(), SETTINGS, History())
    with pytest.raises(IndexFailedError, match="no luck"):
        life.close()
    Life(life.fs, MemoryIndex(life.index.durable), SETTINGS, life.history).close()


class NeedsRoom(GivenIndex):
    """An index that can be opened when the log has no file to spare."""

    def __init__(self, fs: CrashFs, index: MemoryIndex) -> None:
        super().__init__(index)
        self._fs = fs

    def open(self, path: str, settings: EngineSettings) -> Index:
        if any(name.endswith(RECYCLED.suffix) for name in self._fs.list_directory("/data/wal")):
            raise IndexFullError(path, "IO error: No space left on device")
        return super().open(path, settings)


class NeverOpens(GivenIndex):
    def open(self, path: str, settings: EngineSettings) -> Index:
        raise IndexFullError(path, "IO error: No space left on device")


def killed_with_a_recycled_segment() -> tuple[CrashFs, MemoryIndex]:
    """What a killed process left of a log of which a segment was released."""
    with tiny_steps():
        settings = msgspec.structs.replace(SETTINGS, wal_retained_bytes_max=1)
        life = Life(CrashFs(), MemoryIndex(), settings, History())
        for number in range(10):
            commit(life, ("put", b"a0", b"value %d" % number))
        drain(life)
        life.engine.maintain()
        while life.jobs.run_one():
            pass
        life.engine.maintain()
        assert life.engine.opened.log.facts().recycled > 0
        return life.fs.restart(), life.index.crash()


def test_spare_log_files_make_room_for_the_index() -> None:
    fs, index = killed_with_a_recycled_segment()
    access = NeedsRoom(fs, index)
    opened = open_directory(fs, "/data", SETTINGS, tally, access)
    assert opened.index.get(b"a0") is not None
    assert opened.log.facts().recycled == 0
    opened.close()


def test_a_disk_without_any_room_is_named_with_what_to_do() -> None:
    fs, index = killed_with_a_recycled_segment()
    for _ in range(2):
        with pytest.raises(NoSpaceError, match="free some space and start again"):
            open_directory(fs, "/data", SETTINGS, tally, NeverOpens(index))
    open_directory(fs, "/data", SETTINGS, tally, GivenIndex(index)).close()
