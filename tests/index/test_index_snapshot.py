"""Views of an index: the fake and RocksDB keep the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from kiwi_engine.errors import EngineClosedError
from kiwi_engine.index.protocol import Index
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.testing.memory_index import MemoryIndex

SMALL = IndexSettings(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20)
# Several slices of `RocksSnapshot.iterate`.
ROWS = [(b"k%04d" % number, b"v%d" % number) for number in range(1500)]


@pytest.fixture(params=["memory", "rocks"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened: Index = (
        MemoryIndex() if request.param == "memory" else RocksIndex.open(str(tmp_path), SMALL)
    )
    yield opened
    opened.close()


def test_later_writes_are_not_seen(index: Index) -> None:
    index.write(ROWS, [])
    snapshot = index.snapshot()
    index.write([(b"k0001", b"new"), (b"k0002", None), (b"z", b"new")], [(b"k1", b"k2")])
    index.flush()
    assert index.get_many([b"k0001", b"k0002", b"k1000"]) == [b"new", None, None]
    assert [snapshot.get(key) for key in (b"k0001", b"k0002", b"k1000")] == [
        b"v1", b"v2", b"v1000",
    ]  # fmt: skip
    assert snapshot.get(b"z") is None
    assert snapshot.get(b"k0001x") is None
    assert list(snapshot.iterate(b"", b"zz")) == ROWS
    assert list(snapshot.iterate(b"", b"zz", reverse=True)) == ROWS[::-1]
    snapshot.close()


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 47, 48, 49])
def test_bounds_at_the_ends_of_slices(index: Index, count: int) -> None:
    index.write(ROWS, [])
    snapshot = index.snapshot()
    begin, end = b"k0100", b"k%04d" % (100 + count)
    expected = ROWS[100 : 100 + count]
    assert list(snapshot.iterate(begin, end)) == expected
    assert list(snapshot.iterate(begin, end, reverse=True)) == expected[::-1]
    assert list(snapshot.iterate(end, begin)) == []
    snapshot.close()


def test_walks_of_one_snapshot_do_not_disturb_each_other(index: Index) -> None:
    index.write(ROWS, [])
    snapshot = index.snapshot()
    forward, backward = snapshot.iterate(b"", b"z"), snapshot.iterate(b"", b"z", reverse=True)
    for row in ROWS:
        assert next(forward) == row
        assert next(backward)[0] == b"k%04d" % (1499 - int(row[0][1:]))
        assert snapshot.get(b"k0700") == b"v700"
    assert next(forward, None) is None
    snapshot.close()


def test_a_closed_snapshot_refuses(index: Index) -> None:
    index.write(ROWS, [])
    snapshot = index.snapshot()
    walk = snapshot.iterate(b"", b"z")
    next(walk)
    snapshot.close()
    snapshot.close()
    with pytest.raises(EngineClosedError):
        snapshot.get(b"k0001")
    with pytest.raises(EngineClosedError):
        list(snapshot.iterate(b"", b"z"))
    if isinstance(index, RocksIndex):
        with pytest.raises(EngineClosedError):
            list(walk)


def test_closing_the_index_closes_its_snapshots(tmp_path: Path) -> None:
    """RocksDB keeps its lock until the last iterator is gone."""
    index = RocksIndex.open(str(tmp_path), SMALL)
    index.write(ROWS, [])
    snapshot = index.snapshot()
    index.close()
    with pytest.raises(EngineClosedError):
        snapshot.get(b"k0001")
    again = RocksIndex.open(str(tmp_path), SMALL)
    assert again.get(b"k0001") == b"v1"
    again.close()


def test_why_the_snapshots_of_rocksdict_are_not_used(tmp_path: Path) -> None:
    """Should this fail with a newer rocksdict, `index.rocks_snapshot` can become simpler."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    database = Rdict(str(tmp_path), options)
    database[b"a"] = b"old"
    snapshot = database.snapshot()
    database[b"a"] = b"new"
    assert snapshot[b"a"] == b"old"
    assert list(snapshot.items()) == [(b"a", b"new")]
    del snapshot
    database.close()
