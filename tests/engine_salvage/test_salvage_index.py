"""Whatever byte of an index is damaged: what is read is current, what is not is in a gap."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kiwi_engine.engine.inspection.index import read_state
from kiwi_engine.engine.salvage.index import Gap, IndexDamage, open_index, surviving_entries
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import IndexSettings
from tests.cli.data_directory import cut, flip

SETTINGS = IndexSettings(
    block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20, level_zero_compaction_files=100
)
KEYS = 400
ROUNDS = 4
SEED = 11
FLIPS = 120


def key(number: int) -> bytes:
    return b"d%04d" % (number * 7919 % KEYS)


def layered_index(path: Path) -> dict[bytes, bytes]:
    """Tables over one another: most keys have older values, or a deletion over them."""
    chance = random.Random(SEED)
    index = RocksIndex.open(str(path), SETTINGS)
    for layer in range(ROUNDS):
        chosen = sorted({key(number) for number in chance.sample(range(KEYS), KEYS // (layer + 1))})
        changes: list[tuple[bytes, bytes | None]] = [
            (one, None if chance.random() < 0.2 else b"%d:" % layer + chance.randbytes(90))
            for one in chosen
        ]
        ranges = [(b"d0100", b"d0130")] if layer == 2 else []
        index.write(changes, ranges)
        index.write([(b"\x00state", b"%d" % layer)], [])
        index.flush()
    truth = dict(index.iterate(b"", None))
    assert len(index.facts().files_per_level) > 1
    assert index.facts().level_zero_files == ROUNDS
    index.close()
    return truth


def compacted_index(path: Path) -> dict[bytes, bytes]:
    """Several tables of the deepest level beside each other, and one above them."""
    chance = random.Random(SEED)
    small = IndexSettings(
        block_cache_bytes=1 << 20,
        write_buffer_bytes=1 << 20,
        level_zero_compaction_files=2,
        table_bytes=1 << 13,
        level_base_bytes=1 << 14,
    )
    index = RocksIndex.open(str(path), small)
    for layer in range(ROUNDS):
        index.write(
            [(b"d%04d" % n, b"%d:" % layer + chance.randbytes(90)) for n in range(KEYS)], []
        )
        index.flush()
        while index.facts().running_compactions or index.facts().level_zero_files > 2:
            pass
    index.write([(b"d%04d" % n, None) for n in range(0, KEYS, 3)], [])
    index.flush()
    truth = dict(index.iterate(b"", None))
    index.close()
    return truth


def survivors(path: Path) -> tuple[dict[bytes, bytes], list[Gap]]:
    index = open_index(str(path))
    assert index is not None
    gaps: list[Gap] = []
    try:
        rows = list(surviving_entries(index, gaps))
    finally:
        index.close()
    keys = [row[0] for row in rows]
    assert keys == sorted(set(keys))
    return dict(rows), gaps


def covered(gaps: list[Gap], one: bytes) -> bool:
    return any(gap.first <= one and (gap.end is None or one < gap.end) for gap in gaps)


def check(
    path: Path, truth: dict[bytes, bytes], where: str
) -> tuple[dict[bytes, bytes], list[Gap]]:
    found, gaps = survivors(path)
    assert {one: truth.get(one) for one in found} == found, where
    lost = truth.keys() - found.keys()
    assert all(covered(gaps, one) for one in lost), where
    assert not any(covered(gaps, one) for one in found), where
    return found, gaps


@pytest.mark.parametrize("make", [layered_index, compacted_index])
def test_a_flipped_byte_anywhere(
    tmp_path: Path, make: Callable[[Path], dict[bytes, bytes]]
) -> None:
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    truth = make(whole)
    assert survivors(whole) == (truth, [])
    tables = sorted(whole.glob("*.sst"))
    chance = random.Random(SEED)
    kept = gaps_seen = 0
    shutil.copytree(whole, damaged)
    for _ in range(FLIPS):
        table = chance.choice(tables)
        offset = chance.randrange(table.stat().st_size)
        victim = damaged / table.name
        flip(victim, offset)
        found, gaps = check(damaged, truth, f"{table.name} at {offset}, seed {SEED}")
        flip(victim, offset)
        kept += len(found)
        gaps_seen += bool(gaps)
    assert gaps_seen > FLIPS // 2
    assert kept > FLIPS * len(truth) // 2, "one damaged block costs little"


def test_two_damaged_blocks_leave_what_lies_between(tmp_path: Path) -> None:
    index = RocksIndex.open(str(tmp_path), SETTINGS)
    truth = {b"d%05d" % number: random.Random(number).randbytes(100) for number in range(2000)}
    index.write(sorted(truth.items()), [])
    index.flush()
    index.close()
    (table,) = tmp_path.glob("*.sst")
    size = table.stat().st_size
    flip(table, size // 4)
    flip(table, size // 2)
    found, gaps = check(tmp_path, truth, "two blocks")
    assert len(gaps) == 2
    assert {gap.path for gap in gaps} == {str(table)}
    assert gaps[0].offset <= size // 4 < gaps[1].offset <= size // 2
    assert len(truth) - len(found) < 100


@pytest.mark.parametrize("make", [layered_index, compacted_index])
def test_a_table_that_is_gone_or_cut(
    tmp_path: Path, make: Callable[[Path], dict[bytes, bytes]]
) -> None:
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    truth = make(whole)
    for table in sorted(whole.glob("*.sst")):
        for harm in (Path.unlink, lambda path: cut(path, -7)):
            shutil.copytree(whole, damaged)
            harm(damaged / table.name)
            _, gaps = check(damaged, truth, table.name)
            assert any(table.name in gap.path for gap in gaps)
            shutil.rmtree(damaged)


def test_a_point_read_never_sees_an_older_state(tmp_path: Path) -> None:
    index = RocksIndex.open(str(tmp_path), SETTINGS)
    for layer in range(2):
        index.write([(b"\x00state", b"%d" % layer), (b"d", b"x")], [])
        index.flush()
    index.close()
    newest = max(tmp_path.glob("*.sst"))
    for offset in range(0, newest.stat().st_size, 5):
        flip(newest, offset)
        reader = open_index(str(tmp_path))
        assert reader is not None
        try:
            assert reader.get(b"\x00state") == b"1"
        except IndexDamage:
            pass
        finally:
            reader.close()
            flip(newest, offset)


def test_a_state_that_makes_no_sense_is_damage(tmp_path: Path) -> None:
    index = RocksIndex.open(str(tmp_path), SETTINGS)
    index.write([(b"\x00state", b"not a state")], [])
    with pytest.raises(IndexDamage):
        read_state(index)
    index.close()
