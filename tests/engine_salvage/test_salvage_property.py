"""Random damage to a real directory: what a salvage keeps was there, and was there at that time.

`SALVAGE_SEEDS=100-300 pytest tests/engine_salvage -k random_damage` makes it a soak.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import msgspec
import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.engine import drain
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.keyspace.encoding import data_key, namespace_prefix
from kiwi_engine.wal.format import WAL
from tests.cli import data_directory
from tests.cli.data_directory import fingerprint, flip, open_engine
from tests.cli.salvage_world import (
    SMALL,
    Made,
    Outcome,
    change_something,
    make,
    salvage,
    use_settings,
)
from tests.cli.test_recover import records

FIRST, LAST = map(int, os.environ.get("SALVAGE_SEEDS", "1-12").split("-"))
DAMAGES = 4
# Segments that a few groups fill, so that all of a directory is within reach of a random byte.
TINY = msgspec.structs.replace(
    data_directory.SETTINGS, wal_segment_bytes=2048, value_segment_bytes=8192
)


@pytest.fixture(autouse=True)
def tiny_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "SETTINGS", TINY)
    use_settings(monkeypatch, SMALL)


# ---- damage


def damage_something(path: Path, chance: random.Random) -> str:
    """Damage a file of the directory; says what was done."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "LOCK")
    file = chance.choice(files)
    kind = chance.choice(["flip", "flip", "flip", "cut", "zero", "exchange", "remove"])
    content = bytearray(file.read_bytes())
    if kind == "remove" or not content:
        file.unlink()
        return f"removed {file.name}"
    at = chance.randrange(len(content))
    if kind == "flip":
        content[at] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del content[at:]
    elif kind == "zero":
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    else:
        other = chance.randrange(len(content))
        content[at : at + 64], content[other : other + 64] = (
            content[other : other + 64],
            content[at : at + 64],
        )
    file.write_bytes(content)
    return f"{kind} at {at} of {file.name}"


def try_salvage(path: Path, capsys: pytest.CaptureFixture[str]) -> Outcome | None:
    """None where the salvage refuses; then nothing is there."""
    before = fingerprint(path.parent)
    code = main(["recover", str(path), "--salvage", str(path.with_name("tried"))])
    capsys.readouterr()
    if code in (2, 6):
        assert fingerprint(path.parent) == before
        return None
    shutil.rmtree(path.with_name("tried"))
    return salvage(path, capsys)


def is_lost(key: bytes, outcome: Outcome) -> bool:
    """Whether the report says that the user key `key` of database 0 may be missing."""
    stored = data_key(namespace_prefix(0), key)
    for lost in outcome.lost:
        if lost["lost"] == "key" and bytes.fromhex(lost["key"]) == stored:
            return True
        if lost["lost"] == "range" and bytes.fromhex(lost["first"]) <= stored:
            end = lost["end"]
            if end is None or stored < bytes.fromhex(end):
                return True
    return False


def judge(made: Made, outcome: Outcome) -> None:
    """Each key is as it was after the named LSN, or is named as lost and not there."""
    report = outcome.report
    expected = made.states[report["last_lsn"]]
    ever = {(key, row) for state in made.states for key, row in state.items()}
    for key in {*expected, *outcome.state}:
        found = outcome.state.get(key)
        if found == expected.get(key):
            continue
        if found is None:
            assert is_lost(key, outcome) or report["newer_up_to_lsn"], key
        else:
            assert (key, found) in ever, f"{key!r} never had this value"
            assert report["newer_up_to_lsn"], f"{key!r} is of another time"
            newer = made.states[report["last_lsn"] + 1 :]
            assert any(state.get(key) == found for state in newer), f"{key!r} is older"
    if report["verdict"] == "complete" and not report["newer_up_to_lsn"]:
        assert outcome.state == expected


@pytest.mark.parametrize("seed", range(FIRST, LAST + 1))
def test_random_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    chance = random.Random(seed)
    made = make(
        tmp_path / "d",
        groups=chance.choice([20, 60]),
        rounds=chance.choice([1, 2, 4]),
        crash=chance.random() < 0.6,
        seed=seed,
        flushes=False,
    )
    shutil.rmtree(tmp_path / "d-running")
    kept = 0
    for number in range(DAMAGES):
        copy = tmp_path / f"damaged{number}" / "d"
        shutil.copytree(made.path, copy)
        done = [damage_something(copy, chance) for _ in range(chance.choice([1, 1, 3]))]
        try:
            outcome = try_salvage(copy, capsys)
            if outcome is not None:
                judge(made, outcome)
                kept += 1
        except AssertionError as failure:
            failure.add_note(f"replay: SALVAGE_SEEDS={seed}-{seed}, damage {number}: {done}")
            raise
        shutil.rmtree(copy.parent)
    assert kept, "all were refused"


# ---- an index that a crash cut off in the middle of a drain


def cut_off_in_a_drain(path: Path, monkeypatch: pytest.MonkeyPatch, *, earlier_rounds: int) -> Made:
    """A directory whose index holds the first slices of a drain, flushed, and no more."""
    running = path.with_name("running")
    made = make(running, groups=60, rounds=max(earlier_rounds, 1), crash=False, flushes=False)
    chance = random.Random(1)
    if not earlier_rounds:
        shutil.rmtree(running)
        made = Made(running, [{}])
    monkeypatch.setattr(drain, "SLICE_KEYS", 10)
    engine = open_engine(running)
    for _ in range(40):
        change_something(engine, chance, made.states, False)
    write, slices = RocksIndex.write, []

    def write_and_copy(index: RocksIndex, *arguments: object) -> None:
        write(index, *arguments)  # type: ignore[arg-type]
        slices.append(1)
        if len(slices) == 3:
            index.flush()
            shutil.copytree(running, path)

    monkeypatch.setattr(RocksIndex, "write", write_and_copy)
    engine.close()
    monkeypatch.setattr(RocksIndex, "write", write)
    return Made(path, made.states)


def damage_record(path: Path, lsn: int) -> None:
    record = next(record for record in records(path) if record.lsn == lsn)
    flip(path / "wal" / WAL.name(WAL.number(record.path)), record.offset + 30)


def test_a_drain_that_was_cut_off_is_made_good_by_a_whole_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut_off_in_a_drain(tmp_path / "d", monkeypatch, earlier_rounds=4)
    outcome = salvage(made.path, capsys)
    assert (outcome.code, outcome.report["newer_up_to_lsn"]) == (0, 0)
    assert outcome.state == made.states[-1]


def test_a_drain_that_was_cut_off_does_not_matter_to_a_log_from_the_first_record_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut_off_in_a_drain(tmp_path / "d", monkeypatch, earlier_rounds=0)
    damage_record(made.path, 20)
    outcome = salvage(made.path, capsys)
    assert (outcome.code, outcome.report["index_used"]) == (4, False)
    assert (outcome.report["last_lsn"], outcome.report["newer_up_to_lsn"]) == (19, 0)
    assert outcome.state == made.states[19]


def test_what_a_cut_off_drain_left_of_lost_records_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut_off_in_a_drain(tmp_path / "d", monkeypatch, earlier_rounds=4)
    last_lsn = len(made.states) - 1
    damage_record(made.path, last_lsn - 10)
    outcome = salvage(made.path, capsys)
    assert outcome.code == 4
    assert outcome.report["last_lsn"] == last_lsn - 11
    assert outcome.report["newer_up_to_lsn"] == last_lsn
    assert outcome.state != made.states[last_lsn - 11], "what the test is about"
    judge(made, outcome)


# ---- files of the log that are gone


def test_a_log_that_ends_before_the_index_is_not_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index is kept; what the lost end of the log held besides cannot be known."""
    made = make(tmp_path / "d", groups=60, rounds=2, crash=False, flushes=False)
    older = make(tmp_path / "older", groups=60, rounds=1, crash=False, flushes=False)
    shutil.rmtree(made.path / "wal")
    shutil.copytree(older.path / "wal", made.path / "wal")
    outcome = salvage(made.path, capsys)
    assert (outcome.code, outcome.report["last_lsn"]) == (4, 120)
    assert outcome.state == made.states[-1]
    assert outcome.findings("corruption") == [str(made.path / "wal")]


def test_an_index_that_is_gone_behind_an_emptied_log_is_not_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(tmp_path / "d", groups=60, rounds=2, crash=False, flushes=False)
    segments = sorted((made.path / "wal").glob("*.wal"))
    first = segments[-1]
    assert WAL.number(str(first)) > 1
    for segment in segments[:-1]:
        segment.unlink()
    header = WAL.encode_header(WAL.number(str(first)))
    first.write_bytes(header + bytes(first.stat().st_size - len(header)))
    shutil.rmtree(made.path / "index")
    code = main(["recover", str(made.path), "--salvage", str(tmp_path / "t")])
    assert code == 6
    assert "no intact record" in capsys.readouterr().err
    assert main(["recover", str(made.path)]) == 4
    assert "has given up records" in capsys.readouterr().out
