"""What only the real index can show: files, damage, stalls, locks, crashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kiwi_engine.errors import (
    CorruptionError,
    EngineClosedError,
    IndexFailedError,
    IndexFullError,
    IndexStalledError,
    KiwiError,
    LockedError,
)
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.index.translate import translate
from kiwi_engine.index.version import rocksdb_version, rocksdict_version
from kiwi_engine.testing.memory_index import MemoryIndex

SMALL = IndexSettings(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20)


def open_index(path: Path, *, read_only: bool = False) -> RocksIndex:
    return RocksIndex.open(str(path), SMALL, read_only=read_only)


def tables(path: Path) -> list[Path]:
    return sorted(path.glob("*.sst"))


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def fingerprint(path: Path) -> dict[str, str]:
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def test_only_what_was_flushed_survives_a_crash(tmp_path: Path) -> None:
    index = open_index(tmp_path / "live")
    index.write([(b"a", b"1"), (b"b", b"1")], [])
    index.flush()
    index.write([(b"a", b"2"), (b"c", b"2")], [])
    shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    index.close()
    survivor = open_index(tmp_path / "crashed")
    assert list(survivor.iterate(b"", None)) == [(b"a", b"1"), (b"b", b"1")]
    survivor.close()


def test_a_memory_index_crashes_to_a_prefix_of_whole_batches() -> None:
    index = MemoryIndex()
    index.write([(b"a", b"1"), (b"b", b"1")], [])
    index.flush()
    index.write([(b"a", b"2"), (b"c", b"2")], [])
    index.write([(b"c", b"3")], [(b"a", b"c")])
    assert index.unflushed_batches == 2
    assert dict(index.crash().iterate(b"", None)) == {b"a": b"1", b"b": b"1"}
    assert dict(index.crash(1).iterate(b"", None)) == {b"a": b"2", b"b": b"1", b"c": b"2"}
    assert dict(index.crash(2).iterate(b"", None)) == {b"c": b"3"}


def test_a_memory_index_stalls_on_demand_and_applies_nothing() -> None:
    index = MemoryIndex()
    index.stalled_writes = 1
    with pytest.raises(IndexStalledError):
        index.write([(b"a", b"1")], [])
    assert index.get(b"a") is None
    index.write([(b"a", b"1")], [])
    assert index.get(b"a") == b"1"


def test_close_flushes(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write([(b"a", b"1")], [])
    index.close()
    reopened = open_index(tmp_path)
    assert reopened.get(b"a") == b"1"
    reopened.close()


def test_close_ends_iterators_so_that_the_lock_is_free(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write([(b"a", b"1"), (b"b", b"1")], [])
    entries = index.iterate(b"", None)
    assert next(entries) == (b"a", b"1")
    untouched = index.iterate(b"", None)
    index.close()
    open_index(tmp_path).close()
    assert list(entries) == []
    assert list(untouched) == []


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    with pytest.raises(LockedError):
        open_index(tmp_path)
    index.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    script = (
        "import sys\n"
        "from kiwi_engine.index.rocks import RocksIndex\n"
        "from kiwi_engine.index.settings import IndexSettings\n"
        "from kiwi_engine.errors import LockedError\n"
        "try: RocksIndex.open(sys.argv[1], IndexSettings())\n"
        "except LockedError: print('locked')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "locked\n"
    index.close()


def test_read_only_beside_a_writer_changes_no_file(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write([(b"a", b"1")], [])
    index.flush()
    index.write([(b"b", b"2")], [])
    before = fingerprint(tmp_path)
    reader = open_index(tmp_path, read_only=True)
    assert list(reader.iterate(b"", None)) == [(b"a", b"1")]
    with pytest.raises(KiwiError, match="read only"):
        reader.write([(b"a", b"2")], [])
    reader.close()
    assert fingerprint(tmp_path) == before
    index.close()


def test_read_only_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(IndexFailedError, match="no index"):
        open_index(tmp_path / "absent", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_stalled_write_applies_nothing_and_passes_later(tmp_path: Path) -> None:
    settings = IndexSettings(
        write_buffer_bytes=1 << 16, write_buffer_count_max=2, block_cache_bytes=1 << 20
    )
    index = RocksIndex.open(str(tmp_path), settings)
    stalled_at = None
    for number in range(2000):
        batch = [(b"a%d" % number, os.urandom(30_000)), (b"b%d" % number, b"x")]
        try:
            index.write(batch, [])
        except IndexStalledError:
            stalled_at = number
            break
    assert stalled_at is not None, "two tiny memtables never filled up"
    assert index.get_many([b"a%d" % stalled_at, b"b%d" % stalled_at]) == [None, None]
    index.flush()
    index.write([(b"a%d" % stalled_at, b"y")], [])
    assert index.get(b"a%d" % stalled_at) == b"y"
    index.close()


def test_damage_in_a_block_is_reported_with_its_place(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write([(b"k%03d" % n, os.urandom(100)) for n in range(200)], [])
    index.close()
    table = tables(tmp_path)[0]
    flip(table, 5)
    index = open_index(tmp_path)
    for read in (
        lambda: index.get(b"k000"),
        lambda: index.get_many([b"k000", b"k199"]),
        lambda: list(index.iterate(b"", None)),
        lambda: list(index.iterate(b"", b"k005", reverse=True)),
    ):
        with pytest.raises(CorruptionError, match="checksum") as caught:
            read()
        assert caught.value.path == str(table)
        assert caught.value.offset == 0
    index.close()


def test_a_missing_table_is_corruption(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write([(b"a", b"1")], [])
    index.close()
    tables(tmp_path)[0].unlink()
    with pytest.raises(CorruptionError):
        open_index(tmp_path).get(b"a")


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST"])
def test_damage_in_the_catalogue_is_corruption(tmp_path: Path, name: str) -> None:
    index = open_index(tmp_path)
    index.write([(b"a", b"1")], [])
    index.close()
    (file,) = [path for path in tmp_path.iterdir() if path.name.startswith(name)]
    flip(file, file.stat().st_size // 2)
    with pytest.raises(CorruptionError):
        open_index(tmp_path)


def test_a_failed_table_write_is_reported(tmp_path: Path) -> None:
    script = (
        "import os, resource, signal, sys\n"
        "from kiwi_engine.index.rocks import RocksIndex\n"
        "from kiwi_engine.index.settings import IndexSettings\n"
        "from kiwi_engine.errors import IndexFailedError\n"
        "index = RocksIndex.open(sys.argv[1], IndexSettings())\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, hard))\n"
        "index.write([(b'k', os.urandom(100000))], [])\n"
        "try: index.flush()\n"
        "except IndexFailedError as error: print('failed', error.reason)\n"
        "print(index.facts().background_errors)\n"
        # What measures coverage writes a file at the end, too.
        "resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("failed IO error: ")
    assert done.stdout.endswith("\n1\n")


def test_reads_and_writes_from_several_threads(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write([(b"k%04d" % n, b"0") for n in range(1000)], [])

    def read() -> None:
        for n in range(300):
            assert index.get(b"k%04d" % n) is not None
            assert sum(1 for _ in index.iterate(b"k0000", b"k0010")) == 10

    with ThreadPoolExecutor(3) as readers:
        reads = [readers.submit(read) for _ in range(3)]
        for round_number in range(30):
            index.write([(b"k%04d" % n, b"%d" % round_number) for n in range(1000)], [])
            index.flush()
    for done in reads:
        done.result()
    index.close()


def test_versions_are_numbers(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    assert rocksdb_version().count(".") == 2
    assert index.version == f"RocksDB {rocksdb_version()} (rocksdict {rocksdict_version()})"
    index.close()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Result incomplete: Write stall", IndexStalledError),
        ("Corruption: block checksum mismatch in /d/1.sst offset 17 size 4", CorruptionError),
        ("IO error: lock hold by current process: /d/LOCK: No locks available", LockedError),
        ("IO error: While lock file: /d/LOCK: Resource temporarily unavailable", LockedError),
        ("IO error: No space left on device", IndexFullError),
        ("IO error: Disk quota exceeded: While appending to file: /d/1.sst", IndexFullError),
        ("something never seen before", IndexFailedError),
    ],
)
def test_messages_are_translated(text: str, kind: type[KiwiError]) -> None:
    assert type(translate(Exception(text), "/d")) is kind


def test_the_place_of_damage_is_taken_from_the_message() -> None:
    error = translate(Exception("Corruption: x  in /d/1.sst offset 17 size 4"), "/d")
    assert isinstance(error, CorruptionError)
    assert (error.path, error.offset) == ("/d/1.sst", 17)
    error = translate(Exception("Corruption: bad  The file /d/MANIFEST-5 may be corrupted."), "/d")
    assert isinstance(error, CorruptionError)
    assert (error.path, error.offset) == ("/d/MANIFEST-5", 0)
    error = translate(Exception("Corruption: CURRENT file corrupted"), "/d")
    assert isinstance(error, CorruptionError)
    assert error.path == "/d"


def test_a_closed_database_is_named_so() -> None:
    class DbClosedError(Exception):
        pass

    assert isinstance(translate(DbClosedError("closed"), "/d"), EngineClosedError)


def test_reading_only_touches_no_file(tmp_path: Path) -> None:
    """Neither their content nor their times, and none is added; also where it cannot be opened."""
    index = open_index(tmp_path / "d")
    index.write([(b"a", b"1")], [])
    index.close()
    (config,) = (tmp_path / "d").glob("rocksdict-config.json")
    for content in (config.read_bytes(), b"", b"{"):
        config.write_bytes(content)
        before = {file: file.stat().st_mtime_ns for file in (tmp_path / "d").iterdir()}
        reader = open_index(tmp_path / "d", read_only=True)
        assert reader.get(b"a") == b"1"
        reader.close()
        assert {file: file.stat().st_mtime_ns for file in (tmp_path / "d").iterdir()} == before
        assert config.read_bytes() == content


def test_errors_of_reading_only_name_the_true_file(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.write([(b"a", b"1")], [])
    index.close()
    (table,) = tmp_path.glob("*.sst")
    content = bytearray(table.read_bytes())
    content[3] ^= 1
    table.write_bytes(content)
    reader = open_index(tmp_path, read_only=True)
    with pytest.raises(CorruptionError) as caught:
        reader.get(b"a")
    reader.close()
    assert (caught.value.path, caught.value.offset) == (str(table), 0)
    table.unlink()
    with pytest.raises(CorruptionError) as caught:
        open_index(tmp_path, read_only=True)
    assert caught.value.path == str(table)
