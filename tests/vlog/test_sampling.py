"""Entries found at random places are entries, and all of them can be found."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import pytest

from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog import sampling
from kiwi_engine.vlog.format import VLOG, Pointer
from kiwi_engine.vlog.sampling import sample_entries
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter

PATH = VLOG.path("", 1)


def written(fs: CrashFs, sizes: list[int], *, sealed: bool = True) -> list[tuple[bytes, Pointer]]:
    log = ValueLogWriter.open(fs, "", ValueLogSettings(allocate_bytes=4000, compression=False))
    # Values that hold the number of the segment everywhere: each place looks like an entry.
    entries = [(b"key%d" % n, b"\1\0\0\0" * (size // 4)) for n, size in enumerate(sizes)]
    pointers = log.append(entries, 1)
    log.sync()
    if sealed:
        log.close()
    return [(key, pointer) for (key, _), pointer in zip(entries, pointers, strict=True)]


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_neighbours_that_were_written(seed: int) -> None:
    random, fs = Random(seed), CrashFs()
    sizes = [random.choice([4, 40, 400]) for _ in range(random.randint(1, 12))]
    entries = written(fs, sizes)
    runs = sample_entries(fs, PATH, random, 200, 3)
    assert len(runs) == 200
    for run in runs:
        begin = entries.index(run[0])
        assert run == entries[begin : begin + 3]
    assert {place for run in runs for place in run} == set(entries), "each was found"


def test_a_place_behind_everything_that_was_written_is_empty() -> None:
    fs = CrashFs()
    entries = written(fs, [400, 400], sealed=False)
    runs = sample_entries(fs, PATH, Random(1), 100, 3)
    assert [] in runs
    assert entries[1:] in runs


def test_damage_is_passed_over() -> None:
    fs = CrashFs()
    entries = written(fs, [40, 40, 40])
    content = bytearray(fs.files()[PATH])
    content[entries[1][1].offset + 45] ^= 1
    fs.overwrite(PATH, bytes(content))
    found = {place for run in sample_entries(fs, PATH, Random(1), 50, 3) for place in run}
    assert found == {entries[0], entries[2]}


def test_a_segment_without_entries_has_only_empty_places() -> None:
    fs = CrashFs()
    written(fs, [])
    log = ValueLogWriter.open(fs, "", ValueLogSettings(allocate_bytes=4000))
    log.append([(b"key", b"value")], 1)
    fs.overwrite(PATH, fs.files()[PATH][:HEADER_BYTES])
    assert sample_entries(fs, PATH, Random(1), 2, 3) == [[], []]


def test_the_search_for_the_next_entry_is_bounded() -> None:
    fs = CrashFs()
    entries = written(fs, [4, 60_000, 4])
    with (
        patch.object(sampling, "_SEARCH_BYTES_MAX", 16),
        patch("kiwi_engine.fs.read_ahead.CHUNK_BYTES", 64),
    ):
        runs = sample_entries(fs, PATH, Random(1), 50, 1)
    assert len(runs) < 10
    assert all(run[0] in entries for run in runs)
