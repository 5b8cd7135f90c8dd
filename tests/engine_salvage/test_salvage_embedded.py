"""Directories of the embedded API: inspected and salvaged like those of a server."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path

import pytest

import kiwi_engine
from kiwi_engine.cli.main import main
from kiwi_engine.embedded.options import Options
from tests.cli.data_directory import commit, flip, open_engine
from tests.cli.salvage_world import SMALL, use_settings
from tests.cli.test_recover import records

KEYS = 400
OPTIONS: Options = {"wal_segment_size": "1mb", "value_threshold": 1024}


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, SMALL)


def value_of(number: int) -> bytes:
    return random.Random(number).randbytes(1500 if number % 40 == 0 else 50)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A closed directory with one table, whose log begins with LSN 1."""
    with kiwi_engine.open(tmp_path / "d", **OPTIONS) as engine:
        for number in range(KEYS):
            engine.put(b"key%05d" % number, value_of(number))
    return tmp_path / "d"


def read_back(path: Path) -> dict[bytes, bytes]:
    with kiwi_engine.open(path, **OPTIONS) as engine:
        return dict(engine.scan())


def test_an_embedded_directory_is_verified(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recover", str(directory), "--verify", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["index"]["entries_verified"] == KEYS
    assert report["index"]["pointers_verified"] == KEYS // 40


def test_an_embedded_directory_is_salvaged(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (table,) = (directory / "index").glob("*.sst")
    flip(table, table.stat().st_size // 2)
    assert main(["recover", str(directory), "--salvage", str(tmp_path / "t"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stored_keys"] == KEYS
    assert read_back(tmp_path / "t") == {b"key%05d" % n: value_of(n) for n in range(KEYS)}


def test_a_damaged_block_costs_its_keys_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if it is the last one, behind which a server would keep its map of databases."""
    path = tmp_path / "d"
    engine = open_engine(path)
    # The last keys first: the log gives up its oldest records.
    for number in reversed(range(KEYS)):
        commit(engine, partial(engine.store.put, b"ekey%05d" % number, value_of(number)[:50]))
    engine.close()
    assert records(path)[0].lsn > 1, "the log does not bring everything back"
    (table,) = (path / "index").glob("*.sst")
    content = table.read_bytes()
    flip(table, content.index(value_of(KEYS - 1)[:20]))
    assert main(["recover", str(path), "--salvage", str(tmp_path / "t"), "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    found = read_back(tmp_path / "t")
    assert 0 < len(found) == report["stored_keys"] < KEYS
    assert all(value == value_of(int(key[3:]))[:50] for key, value in found.items())
    assert report["lost_range_count"] == 1
    assert "embedded key" in report["lost_ranges"][0]["meaning"]
