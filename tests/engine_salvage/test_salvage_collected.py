"""After value-log collection the log still speaks of values that are gone; nobody misses them."""

from __future__ import annotations

import random
import shutil
from functools import partial
from pathlib import Path

import msgspec
import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.wal.format import WAL
from tests.cli import data_directory
from tests.cli.data_directory import commit, open_engine, stored_key
from tests.cli.salvage_world import SMALL, use_settings
from tests.cli.test_recover import records

KEYS = 60


@pytest.fixture(autouse=True)
def tiny_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Value segments of a few values; and the same threshold for a collection by hand."""
    settings = msgspec.structs.replace(data_directory.SETTINGS, value_segment_bytes=8192)
    monkeypatch.setattr(data_directory, "SETTINGS", settings)
    monkeypatch.setenv("KIWI_VALUE_THRESHOLD", "1000")
    use_settings(monkeypatch, SMALL)


def value_of(number: int) -> bytes:
    return b"\x00" + random.Random(number).randbytes(1400)


def collected(path: Path) -> Path:
    """A directory whose log, from LSN 1 on, points into value segments that were collected."""
    engine = open_engine(path)
    for number in range(KEYS):
        commit(engine, partial(engine.store.put, stored_key(f"k{number}"), value_of(number)))
    for number in range(0, KEYS, 2):
        commit(engine, partial(engine.store.delete, stored_key(f"k{number}")))
    engine.close()
    before = len(list((path / "vlog").iterdir()))
    assert main(["gc", "--dir", str(path), "--threshold", "10"]) == 0
    assert len(list((path / "vlog").iterdir())) < before
    assert records(path)[0].lsn == 1
    return path


def content(path: Path) -> dict[int, bytes | None]:
    engine = open_engine(path)
    found = {number: engine.store.get(stored_key(f"k{number}")) for number in range(KEYS)}
    engine.close()
    return found


EXPECTED = {number: None if number % 2 == 0 else value_of(number) for number in range(KEYS)}


@pytest.mark.parametrize("with_index", [True, False])
def test_a_collected_directory_is_salvaged_completely(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], with_index: bool
) -> None:
    path = collected(tmp_path / "d")
    if not with_index:
        shutil.rmtree(path / "index")
    assert main(["recover", str(path), "--salvage", str(tmp_path / "t")]) == 0
    assert "verdict      complete" in capsys.readouterr().out
    assert content(tmp_path / "t") == EXPECTED


@pytest.mark.parametrize("with_index", [True, False])
def test_a_collected_directory_is_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], with_index: bool
) -> None:
    """Also where the whole log is to be replayed: only the last word on a key counts."""
    path = collected(tmp_path / "d")
    if not with_index:
        shutil.rmtree(path / "index")
    capsys.readouterr()
    code = main(["recover", str(path), "--verify"])
    assert (code, capsys.readouterr().out.splitlines()[-1]) == (0, "verdict      clean")
    assert content(path) == EXPECTED


def test_a_value_that_is_needed_and_gone_is_still_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = collected(tmp_path / "d")
    shutil.rmtree(path / "index")
    last = records(path)[-1]
    assert WAL.number(last.path) == 1
    max((path / "vlog").iterdir()).unlink()
    capsys.readouterr()
    assert main(["recover", str(path)]) == 4
    assert "points to a value that is not there" in capsys.readouterr().out
