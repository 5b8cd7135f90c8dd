"""`kiwi-engine stats --dir`, and `--version`: facts without a server."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.keyspace.encoding import (
    META_NAMESPACES,
    NamespaceMap,
    encode_namespaces,
    string_value,
)
from kiwi_engine.version import VERSION
from tests.cli.data_directory import (
    closed,
    commit,
    crashed,
    fingerprint,
    flip,
    open_engine,
    stored_key,
)

GROUPS = 8


def stats(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    before = fingerprint(path)
    assert main(["stats", "--dir", str(path), "--json"]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert fingerprint(path) == before
    return facts


def test_after_an_orderly_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = stats(closed(tmp_path / "d", GROUPS), capsys)
    assert list(facts) == ["directory", "persistence", "valuelog", "rocksdb", "keyspace"]
    persistence = facts["persistence"]
    assert (persistence["written_lsn"], persistence["applied_lsn"]) == (GROUPS, GROUPS)
    assert persistence["retained_lsn"] == 1
    assert persistence["torn_tail"] == ""
    assert facts["valuelog"]["segments"] == 1
    assert facts["rocksdb"]["level0_files"] == 1
    assert facts["keyspace"] == {"db0": {"keys": 2 * GROUPS, "expires": 0}}


def test_after_a_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = crashed(tmp_path / "d", GROUPS)
    flip(path / "wal" / "0000000001.wal", 20 + 24 + 7)
    assert main(["stats", "--dir", str(path)]) == 4
    assert "0000000001.wal at offset 20" in capsys.readouterr().err
    flip(path / "wal" / "0000000001.wal", 20 + 24 + 7)
    facts = stats(path, capsys)
    persistence = facts["persistence"]
    assert (persistence["written_lsn"], persistence["applied_lsn"]) == (GROUPS, 0)
    assert facts["keyspace"] == {}


def test_databases_follow_their_namespaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(tmp_path / "d")
    swapped = string_value(encode_namespaces(NamespaceMap(3, (1, 0, 2))), 0)[1:]

    def write() -> None:
        engine.store.put(stored_key("k"), string_value(b"v", 4_000_000_000_000))
        engine.store.put(META_NAMESPACES, swapped)

    commit(engine, write)
    engine.close()
    assert stats(tmp_path / "d", capsys)["keyspace"] == {"db1": {"keys": 1, "expires": 1}}


def test_a_new_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_engine(tmp_path / "d").close()
    facts = stats(tmp_path / "d", capsys)
    assert facts["persistence"]["written_lsn"] == 0
    assert facts["keyspace"] == {}


def test_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--dir", str(closed(tmp_path / "d"))]) == 0
    out = capsys.readouterr().out
    for word in ("persistence", "applied_lsn", "rocksdb", "keyspace", "db0"):
        assert word in out


def test_no_data_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--dir", str(tmp_path)]) == 1
    assert "not a Kiwi Engine data directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_version_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Kiwi Engine {VERSION}\n")
    assert "rocksdict" in out
    assert platform.python_version() in out
    assert "Formats     layout 2, WAL 1, changes 2, value log 1, keys 1\n" in out
