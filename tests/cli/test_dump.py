"""`kiwi-engine dump` shows what a segment holds, up to the damage if there is any."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.cli.describe import describe_key, format_moment, quote
from kiwi_engine.cli.main import main
from kiwi_engine.engine.archive.format import ArchiveSpan
from kiwi_engine.engine.state import STATE_KEY
from kiwi_engine.keyspace.encoding import expiry_key, field_expiry_key
from kiwi_engine.keyspace.sets.spread import order_of
from kiwi_engine.keyspace.spread.versions import MEMBERS, element_prefix, registry_key
from tests.cli.data_directory import commit, crashed, flip, open_engine, stored_key
from tests.support.hexdump import examples


def dump(
    capsys: pytest.CaptureFixture[str], path: Path, *options: str
) -> tuple[int, list[dict[str, Any]]]:
    code = main(["dump", "--json", *options, str(path)])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with one record of every kind of change."""
    engine = open_engine(tmp_path / "running")
    store = engine.store
    commit(engine, lambda: store.put(stored_key("a"), b"\x00hello"))
    commit(engine, lambda: store.put(stored_key("b"), b"\x00" + b"z" * 5000))
    commit(engine, lambda: store.delete(stored_key("a")))
    commit(engine, lambda: store.delete_range(b"d\x00\x00\x00\x00", b"d\x00\x00\x00\x01"))
    shutil.copytree(tmp_path / "running", tmp_path / "d")
    engine.close()
    return tmp_path / "d"


def test_a_log_segment_for_programs(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (title, *records, end) = dump(capsys, directory / "wal" / "0000000001.wal")
    assert code == 0
    assert (title["segment"], title["log"]) == (1, "commit log")
    assert [record["lsn"] for record in records] == [1, 2, 3, 4]
    a, b = stored_key("a").hex(), stored_key("b").hex()
    assert all(record["committed_ms"] > 1_700_000_000_000 for record in records)
    assert records[0]["changes"] == [{"put": a, "value": b"\x00hello".hex(), "value_bytes": 6}]
    large = records[1]["changes"][0]
    assert (large["put"], large["value_bytes"]) == (b, 5001)
    assert large["pointer"]["segment"] == 1
    assert records[2]["changes"] == [{"delete": a}]
    assert records[3]["changes"] == [{"delete_range": ["6400000000", "6400000001"]}]
    assert end == {
        "ending": "clean",
        "offset": records[-1]["offset"] + records[-1]["bytes"],
        "reason": "",
    }


def test_a_log_segment_for_people(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", str(directory / "wal" / "0000000001.wal")]) == 0
    out = capsys.readouterr().out
    assert 'put namespace 0 key "a" = "\\x00hello"' in out
    assert 'put namespace 0 key "b" = 5001 bytes in value log segment 1 offset 20' in out
    assert 'delete namespace 0 key "a"' in out
    assert 'delete range "d\\x00\\x00\\x00\\x00" to "d\\x00\\x00\\x00\\x01"' in out
    assert "end: clean" in out


def test_a_value_log_segment(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (title, entry, end) = dump(capsys, directory / "vlog" / "0000000001.vlog")
    assert code == 0
    assert title["log"] == "value log"
    assert (entry["lsn"], entry["value_bytes"], entry["compressed"]) == (2, 5001, True)
    assert entry["key"] == stored_key("b").hex()
    assert end["ending"] == "clean"


def test_keys_and_values_are_cut_where_asked(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lines = dump(capsys, directory / "wal" / "0000000001.wal", "--bytes", "2")
    assert lines[1]["changes"][0] == {"put": "6400", "value": "0068", "value_bytes": 6}


@pytest.mark.parametrize("kind", ["wal", "vlog"])
def test_a_damaged_segment_is_shown_up_to_the_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = crashed(tmp_path / "d") / kind / f"0000000001.{kind}"
    _, whole = dump(capsys, path)
    offset = whole[4]["offset"]
    flip(path, offset + 60)
    code, lines = dump(capsys, path)
    assert code == 4
    assert lines[:-1] == whole[:4]
    assert (lines[-1]["ending"], lines[-1]["offset"]) == ("corruption", offset)


@pytest.mark.parametrize("kind", ["wal", "vlog"])
def test_a_torn_segment(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = crashed(tmp_path / "d") / kind / f"0000000001.{kind}"
    _, whole = dump(capsys, path)
    flip(path, whole[-1]["offset"] + 1)
    code, lines = dump(capsys, path)
    assert (code, lines[-1]["ending"]) == (1, "torn tail")
    assert lines[:-1] == whole[:-1]


@pytest.mark.parametrize("kind", ["wal", "vlog"])
def test_a_damaged_header(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = crashed(tmp_path / "d") / kind / f"0000000001.{kind}"
    flip(path, 3)
    code, lines = dump(capsys, path)
    assert (code, lines[-1]["ending"], lines[-1]["offset"]) == (4, "corruption", 0)


@pytest.mark.parametrize("name", ["notes.txt", "x.wal", "1.vlog", "0000000001.wal"])
def test_what_is_no_segment(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    if name == "notes.txt":
        (tmp_path / name).write_text("hello")
    assert main(["dump", str(tmp_path / name)]) == 2
    assert name in capsys.readouterr().err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_error(directory: Path, unbuffered: str) -> None:
    file = directory / "wal" / "0000000001.wal"
    dumper = subprocess.Popen(
        [sys.executable, "-m", "kiwi_engine", "dump", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    assert dumper.stdout is not None
    dumper.stdout.close()
    assert dumper.stderr is not None
    assert dumper.stderr.read() == b""
    dumper.stderr.close()
    assert dumper.wait() == 0


def test_a_key_is_described_by_its_kind() -> None:
    assert describe_key(STATE_KEY, 9) == "engine state"
    assert describe_key(stored_key("k"), 9) == 'namespace 0 key "k"'
    assert describe_key(b"mnamespaces", 99) == 'meta "namespaces"'
    assert describe_key(b"d\x00", 9) == 'unknown key "d\\x00"'
    member = element_prefix(MEMBERS, 7) + order_of(b"m")
    assert describe_key(member, 99) == 'set member "\\x8c\\x93\\x8c\\xe0m" of version 7'
    assert describe_key(registry_key(7), 99) == "home of version 7"
    expiry = expiry_key(1_700_000_000_123, 3, b"k")
    assert describe_key(expiry, 9) == (
        'expiry at 2023-11-14T22:13:20.123+00:00 of namespace 3 key "k"'
    )
    fields = field_expiry_key(1_700_000_000_123, 3, b"k")
    assert describe_key(fields, 9) == (
        'expiry at 2023-11-14T22:13:20.123+00:00 of fields of namespace 3 key "k"'
    )


def test_quoting() -> None:
    assert quote(b'a"\\\n\xff~', 99) == '"a\\x22\\x5c\\x0a\\xff~"'
    assert quote(b"abcdef", 2) == '"ab" and 4 bytes more'
    assert quote(b"", 0) == '""'


def test_a_deadline_beyond_the_calendar_stays_a_number() -> None:
    assert format_moment(2**63) == f"{2**63} ms"


def test_a_file_of_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ArchiveSpan(7, 7).name
    (content,) = examples("archive.md")
    path.write_bytes(content)
    code, (title, record, end) = dump(capsys, path)
    assert (code, end["ending"]) == (0, "clean")
    assert (title["log"], title["first_lsn"], title["last_lsn"]) == ("log archive", 7, 7)
    assert (record["lsn"], record["committed_ms"]) == (7, 1_700_000_000_000)
    assert [next(iter(change)) for change in record["changes"]] == ["put", "delete"]
    assert main(["dump", str(path)]) == 0
    assert "LSN 7  offset 40  55 bytes  2023-11-14T22:13:20" in capsys.readouterr().out
    flip(path, 50)
    code, (_, end) = dump(capsys, path)
    assert (code, end["ending"], end["offset"]) == (4, "corruption", 40)
