"""`kiwi-engine recover DIR --salvage TARGET`: keeps what is proven, names what is not."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.engine.layout import Layout, encode_layout
from kiwi_engine.engine.salvage.index import Gap, open_index, surviving_entries
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.segment_format import HEADER_BYTES
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.keyspace.encoding import META_NAMESPACES, expiry_key
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.vlog.format import VLOG
from kiwi_engine.wal.format import WAL
from kiwi_engine.wal.segment import SegmentReader
from tests.cli.data_directory import (
    commit,
    crashed,
    cut,
    fingerprint,
    flip,
    open_engine,
)
from tests.cli.salvage_world import (
    NOW_MS,
    SMALL,
    Made,
    content,
    make,
    refused,
    salvage,
    use_settings,
)
from tests.cli.test_recover import entries, log_file, records, value_file


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments that cost no time to fill with zeros, and groups of a few changes."""
    use_settings(monkeypatch, SMALL)


# ---- nothing is lost


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("rounds", [1, 6])
def test_a_sound_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rounds: int, crash: bool
) -> None:
    made = make(tmp_path / "d", groups=60, rounds=rounds, crash=crash)
    outcome = salvage(made.path, capsys)
    assert (outcome.code, outcome.report["verdict"]) == (0, "complete")
    assert outcome.state == made.states[-1]
    assert outcome.report["last_lsn"] == len(made.states) - 1
    assert (outcome.lost, outcome.report["findings"]) == ([], [])


def test_an_empty_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_engine(tmp_path / "d").close()
    outcome = salvage(tmp_path / "d", capsys)
    assert (outcome.code, outcome.state) == (0, {})


def test_a_torn_tail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path / "d", groups=20, crash=True)
    cut(log_file(made.path), records(made.path)[-1].end - 7)
    outcome = salvage(made.path, capsys)
    assert (outcome.code, outcome.report["verdict"]) == (1, "torn tail")
    assert outcome.findings("torn tail") == [str(log_file(made.path))]
    assert outcome.state == made.states[-2]


def test_a_damaged_or_missing_layout_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(tmp_path / "d", groups=10, crash=False)
    flip(made.path / "LAYOUT", 25)
    damaged = salvage(made.path, capsys)
    (made.path / "LAYOUT").unlink()
    missing = salvage(made.path, capsys)
    for outcome in (damaged, missing):
        assert (outcome.code, outcome.state) == (0, made.states[-1])
        assert outcome.findings("note") == [str(made.path / "LAYOUT")]


def test_a_damaged_record_that_the_index_holds_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(tmp_path / "d", groups=8, rounds=2, crash=True)
    needless = records(made.path)[5]
    flip(log_file(made.path), needless.offset + 30)
    outcome = salvage(made.path, capsys)
    assert outcome.report["applied_lsn"] == 8
    assert (outcome.code, outcome.state) == (0, made.states[-1])
    assert outcome.findings("note") == [str(log_file(made.path))]


@pytest.mark.parametrize("harm", [shutil.rmtree, lambda index: flip(manifest_of(index), 30)])
def test_the_log_alone_is_enough_if_it_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    made = make(tmp_path / "d", groups=12, crash=False)
    harm(made.path / "index")
    outcome = salvage(made.path, capsys)
    assert (outcome.code, outcome.state) == (0, made.states[-1])
    assert outcome.report["index_used"] is False


def test_a_damaged_index_is_made_good_from_a_whole_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(tmp_path / "d", groups=12, crash=False)
    (table,) = (made.path / "index").glob("*.sst")
    for offset in (10, table.stat().st_size // 2, table.stat().st_size - 20):
        flip(table, offset)
        outcome = salvage(made.path, capsys)
        flip(table, offset)
        assert (outcome.code, outcome.state) == (0, made.states[-1])
        assert outcome.findings("note") != []


# ---- something is lost


def test_a_flipped_byte_in_the_middle_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(tmp_path / "d", groups=40, crash=True)
    logged = records(made.path)
    for record in logged[0], logged[17]:
        for offset in (3, 5, 9, 17, 21, 40):
            victim = log_file(made.path, WAL.number(record.path))
            flip(victim, record.offset + offset)
            outcome = salvage(made.path, capsys)
            flip(victim, record.offset + offset)
            assert (outcome.code, outcome.report["verdict"]) == (4, "incomplete")
            assert outcome.report["last_lsn"] == record.lsn - 1
            assert outcome.state == made.states[record.lsn - 1]
            behind = outcome.report["records_behind"]
            assert behind == {
                "records": 40 - record.lsn, "first_lsn": record.lsn + 1, "last_lsn": 40
            }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_byte_anywhere_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Whatever is kept is a state that existed, and none that the index is ahead of."""
    made = make(tmp_path / "d", groups=25, rounds=3, crash=True, seed=seed)
    chance = random.Random(seed)
    logged = records(made.path)
    for _ in range(8):
        record = chance.choice(logged)
        offset = chance.randrange(record.offset, record.end)
        flip(log_file(made.path, WAL.number(record.path)), offset)
        outcome = salvage(made.path, capsys)
        flip(log_file(made.path, WAL.number(record.path)), offset)
        kept = outcome.report["last_lsn"]
        assert outcome.state == made.states[kept], (seed, record.lsn, offset)
        assert kept >= max(outcome.report["applied_lsn"], record.lsn - 1)
        torn = record.lsn == len(made.states) - 1
        assert outcome.code == (1 if torn else 0 if kept == len(made.states) - 1 else 4)


def test_a_missing_log_segment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path / "d", groups=400, crash=True)
    firsts = {number: first_lsn(log_file(made.path, number)) for number in (2, 3)}
    log_file(made.path, 2).unlink()
    outcome = salvage(made.path, capsys)
    assert (outcome.code, outcome.report["last_lsn"]) == (4, firsts[2] - 1)
    assert outcome.findings("corruption") == [str(log_file(made.path, 2))]
    assert outcome.state == made.states[firsts[2] - 1]
    assert outcome.report["records_behind"]["first_lsn"] == firsts[3]
    log_file(made.path, 1).unlink()
    code, reason = refused(made.path, capsys)
    assert code == 6
    assert f"begins with LSN {firsts[3]}" in reason


def test_a_flipped_byte_in_a_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path / "d", groups=60, rounds=2, crash=True)
    (needed, needless) = needed_and_needless(made)
    for entry, code in ((needed, 4), (needless, 0)):
        victim = value_file(made.path, entry.pointer.segment)
        flip(victim, entry.end - 100)
        outcome = salvage(made.path, capsys)
        flip(victim, entry.end - 100)
        assert outcome.code == code
        expected = dict(made.states[-1])
        if code:
            (lost,) = outcome.lost
            assert bytes.fromhex(lost["key"]) == entry.key
            assert (lost["path"], lost["offset"]) == (str(victim), entry.pointer.offset)
            assert "checksum" in lost["reason"]
            del expected[entry.key[9:]]
        assert outcome.state == expected


def needed_and_needless(made: Made) -> tuple[Any, Any]:
    """A value that its key still has, and one that was overwritten."""
    last: dict[bytes, Any] = {}
    needless: Any = None
    for path in sorted((made.path / "vlog").iterdir()):
        for entry in entries(made.path, VLOG.number(path.name)):
            # Of a flushed database, too: its keys are in another namespace.
            needless = last.get(entry.key[9:], needless)
            last[entry.key[9:]] = entry
    large = (e for e in last.values() if len(made.states[-1].get(e.key[9:], (b"",))[0]) > 1000)
    assert needless is not None
    return next(large), needless


def test_a_value_log_that_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path / "d", groups=60, rounds=2, crash=True)
    shutil.rmtree(made.path / "vlog")
    outcome = salvage(made.path, capsys)
    small = {key: one for key, one in made.states[-1].items() if len(one[0]) < 1000}
    assert (outcome.code, outcome.state) == (4, small)
    # Those of a flushed database that is not reclaimed yet are among them.
    assert {bytes.fromhex(one["key"])[9:] for one in outcome.lost} >= made.states[-1].keys() - small


def old_directory(path: Path, *, flushes: bool = True) -> Made:
    """One whose log does not go back to its beginning."""
    made = make(path, groups=120, rounds=6, crash=False, seed=8, flushes=flushes)
    assert records(made.path)[0].lsn > 1
    return made


def test_a_flipped_byte_in_the_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = old_directory(tmp_path / "d")
    truth = made.states[-1]
    tables = sorted((made.path / "index").glob("*.sst"))
    codes = []
    for table in tables:
        for offset in range(9, table.stat().st_size, max(table.stat().st_size // 6, 1)):
            flip(table, offset)
            target = made.path.with_name("target")
            code = main(["recover", str(made.path), "--salvage", str(target)])
            codes.append(code)
            if code != 6:
                found = content(target)
                assert found.items() <= truth.items(), "nothing old may come back"
                report = json.loads((target / "SALVAGE.json").read_text())
                assert code == (4 if report["lost_range_count"] else 0)
                assert code == 4 or found == truth
                shutil.rmtree(target)
            flip(table, offset)
    assert 4 in codes
    capsys.readouterr()


def test_deadlines_still_work_where_the_expiry_index_was_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d"
    deadline_ms = NOW_MS + 10**9
    for expiring, count in ((True, 400), (False, 120)):
        engine = open_engine(path)
        database = Keyspace(engine.store).database(0)
        for number in range(count):
            key, value = b"%d:%d" % (expiring, number), bytes(600 - 500 * expiring)
            deadline = deadline_ms if expiring else 0
            commit(engine, partial(database.set_expiring, key, value, deadline))
        engine.close()
    assert records(path)[0].lsn > 400, "the log does not bring them back"
    table = min((path / "index").glob("*.sst"))
    offset = next(
        offset
        for offset in range(table.stat().st_size - 1, 0, -500)
        if damages_only_expiry_entries(path / "index", table, offset)
    )
    flip(table, offset)
    target = tmp_path / "t"
    assert main(["recover", str(path), "--salvage", str(target)]) == 4
    assert "expiry at" in capsys.readouterr().out
    engine = open_engine(target)
    entries = [key for key, _ in engine.store.range(b"x", b"y")]
    engine.close()
    assert sorted(entries) == sorted(expiry_key(deadline_ms, 0, b"1:%d" % n) for n in range(400))


def damages_only_expiry_entries(index_path: Path, table: Path, offset: int) -> bool:
    flip(table, offset)
    index = open_index(str(index_path))
    assert index is not None
    gaps: list[Gap] = []
    for _ in surviving_entries(index, gaps):
        pass
    index.close()
    flip(table, offset)
    return bool(gaps) and gaps[0].first[:1] == b"x"


def test_an_index_that_cannot_be_opened_needs_a_whole_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = old_directory(tmp_path / "d")
    flip(manifest_of(made.path / "index"), 30)
    code, reason = refused(made.path, capsys)
    assert code == 6
    assert "the index cannot be opened" in reason


def test_the_map_of_databases_is_not_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = old_directory(tmp_path / "d", flushes=False)
    intact = RocksIndex.get

    def get(index: RocksIndex, key: bytes) -> bytes | None:
        if key == META_NAMESPACES:
            raise CorruptionError(str(made.path / "index"), 0, "damaged just there")
        return intact(index, key)

    monkeypatch.setattr(RocksIndex, "get", get)
    code, reason = refused(made.path, capsys)
    assert code == 6
    assert 'meta "namespaces"' in reason


# ---- wrong usage


def test_where_a_target_may_not_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path / "d", groups=2, crash=False)
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").touch()
    (tmp_path / "left.partial").mkdir()
    before = fingerprint(tmp_path)
    for target in (full, full / "file", made.path / "x", tmp_path, tmp_path / "no/where",
                   tmp_path / "left", Path("/")):  # fmt: skip
        assert main(["recover", str(made.path), "--salvage", str(target)]) == 2, target
        assert capsys.readouterr().err
    assert main(["recover", str(tmp_path), "--salvage", str(tmp_path / "t")]) == 2
    layout = (made.path / "LAYOUT").read_bytes()
    (made.path / "LAYOUT").write_bytes(encode_layout(Layout(wal=99)))
    assert main(["recover", str(made.path), "--salvage", str(tmp_path / "t")]) == 2
    (made.path / "LAYOUT").write_bytes(layout)
    assert fingerprint(tmp_path) == before


def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path / "d", groups=20, crash=False)
    use_settings(monkeypatch, msgspec.structs.replace(SMALL, disk_reserve_bytes=1 << 62))
    code, reason = refused(made.path, capsys)
    assert code == 5
    assert "bytes of disk are free" in reason


def test_an_empty_directory_is_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(tmp_path / "d", groups=2, crash=False)
    (tmp_path / "d-salvaged").mkdir()
    assert salvage(made.path, capsys).state == made.states[-1]


def test_a_directory_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.cli.data_directory import fill, open_engine\n"
        "fill(open_engine(Path(sys.argv[1])), 3)\n"
        "print('filled', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "d")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "filled\n"
        assert main(["recover", str(tmp_path / "d"), "--salvage", str(tmp_path / "t")]) == 3
        assert f"in use by process {process.pid}" in capsys.readouterr().err
        assert os.listdir(tmp_path) == ["d"]
    finally:
        process.kill()
        process.communicate()


def test_the_report_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = crashed(tmp_path / "d")
    flip(log_file(path), records(path)[5].offset + 30)
    last = entries(path)[2]
    flip(value_file(path), last.end - 100)
    assert main(["recover", str(path), "--salvage", str(tmp_path / "t")]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert "state        as after LSN 5, 9 keys" in lines
    assert any(line.startswith("not applied  2 intact log records, LSN 7 to 8") for line in lines)
    assert any(line.startswith('lost key     namespace 0 key "large2": ') for line in lines)
    assert any(line.startswith("corruption   ") for line in lines)
    assert lines[-1] == "verdict      incomplete"


# ---- helpers


def manifest_of(index: Path) -> Path:
    (manifest,) = index.glob("MANIFEST-*")
    return manifest


def first_lsn(path: Path) -> int:
    with SegmentReader(PosixFileSystem(), str(path)) as segment:
        return next(segment.records(0, HEADER_BYTES)).lsn
