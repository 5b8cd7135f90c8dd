"""`kiwi-engine recover --verify`: no flip that matters goes unnoticed, in bounded memory."""

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

import pytest
from rocksdict import BlockBasedOptions, ChecksumType

from kiwi_engine.cli.main import main
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.inspection import verify as inspect_verify
from kiwi_engine.index import options
from kiwi_engine.vlog.format import VLOG
from tests.cli.data_directory import (
    commit,
    cut,
    fingerprint,
    flip,
    open_engine,
    stored_key,
)
from tests.cli.test_recover import entries, recover

# A step that shares no divisor with the sizes of blocks; 1 looks at every byte (some minutes).
STEP = int(os.environ.get("VERIFY_FLIP_STEP", "401"))
KEYS = 150


def value_of(number: int) -> bytes:
    """Small and large ones; they do not compress."""
    return b"\x00" + random.Random(number).randbytes(1200 if number % 10 == 0 else 60)


def in_index(name: str, damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """`damage`, done to that file of the index of a directory."""
    return lambda path: damage(path / "index" / name)


def fill(engine: Engine) -> None:
    for number in range(KEYS):
        commit(engine, partial(engine.store.put, stored_key(f"k{number}"), value_of(number)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several tables, one with a range deletion over the others, and values in the value log."""
    path = tmp_path_factory.mktemp("whole") / "d"
    for _ in range(2):
        engine = open_engine(path)
        fill(engine)
        engine.close()
    engine = open_engine(path)
    commit(engine, partial(engine.store.delete_range, b"dz", b"e"))
    engine.close()
    return path


@pytest.fixture
def damaged(whole: Path, tmp_path: Path) -> Callable[[Callable[[Path], object]], Path]:
    """A function that returns a damaged copy."""

    def make(damage: Callable[[Path], object]) -> Path:
        path = tmp_path / "d"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(whole, path)
        damage(path)
        return path

    return make


def verify(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """The exit code and the report; nothing may be changed."""
    before = fingerprint(path)
    code = main(["recover", str(path), "--verify", "--json"])
    printed = capsys.readouterr().out
    assert fingerprint(path) == before
    return code, json.loads(printed) if printed else {}


def test_what_is_verified(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = recover(whole, capsys, "--verify")
    assert outcome.code == 0
    index = outcome.report["index"]
    assert index["tables_verified"] == index["table_files"] == 3
    assert (index["entries_verified"], index["pointers_verified"]) == (KEYS, KEYS // 10)
    assert f"verified 3 files, {KEYS} entries, {KEYS // 10} pointers" in outcome.text


def test_a_flip_anywhere_in_a_table_is_noticed(
    whole: Path,
    damaged: Callable[[Callable[[Path], object]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also in blocks that no read comes across: all keys of the first table are overwritten."""
    for table in sorted((whole / "index").glob("*.sst")):
        for offset in range(0, table.stat().st_size, STEP):
            path = damaged(in_index(table.name, partial(flip, offset=offset)))
            code, report = verify(path, capsys)
            assert code in (4, 5), (table.name, offset)
            assert table.name in {Path(one["path"]).name for one in report["findings"]}


def test_a_damaged_table_does_not_hide_other_damage(
    whole: Path,
    damaged: Callable[[Callable[[Path], object]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The values that the other entries point to are still looked at."""
    table = sorted((whole / "index").glob("*.sst"))[1]
    last = entries(whole, segment=2)[-1]

    def damage(path: Path) -> None:
        flip(path / "index" / table.name, 5)
        (path / "vlog" / VLOG.name(last.pointer.segment)).unlink()

    code, report = verify(damaged(damage), capsys)
    names = [Path(finding["path"]).name for finding in report["findings"]]
    assert code == 4
    assert table.name in names
    assert VLOG.name(last.pointer.segment) in names


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*"])
def test_a_flip_in_the_books_of_the_index_is_noticed_or_does_not_matter(
    whole: Path,
    damaged: Callable[[Callable[[Path], object]], Path],
    capsys: pytest.CaptureFixture[str],
    pattern: str,
) -> None:
    (file,) = (whole / "index").glob(pattern)
    unnoticed = []
    for offset in range(0, file.stat().st_size, max(1, file.stat().st_size * STEP // 16000)):
        path = damaged(in_index(file.name, partial(flip, offset=offset)))
        if verify(path, capsys)[0]:
            continue
        unnoticed.append(offset)
        engine = open_engine(path)
        for number in range(KEYS):
            assert engine.store.get(stored_key(f"k{number}")) == value_of(number), offset
        engine.close()
    assert len(unnoticed) <= 2, unnoticed


def test_a_table_that_is_gone_is_noticed(
    whole: Path,
    damaged: Callable[[Callable[[Path], object]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = min((whole / "index").glob("*.sst"))
    damages: tuple[Callable[[Path], None], ...] = (Path.unlink, partial(cut, length=-1))
    for damage in damages:
        path = damaged(in_index(table.name, damage))
        code, report = verify(path, capsys)
        assert (code, report["index"]) == (4, None)


def test_a_table_that_a_server_replaces_meanwhile_is_no_damage(
    whole: Path,
    damaged: Callable[[Callable[[Path], object]], Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = damaged(lambda path: None)
    table = max((path / "index").glob("*.sst"))
    moved = table.with_suffix(".moved")
    check = inspect_verify.verify_tables

    def compacted_before(*arguments: Any) -> int:
        table.rename(moved)
        return check(*arguments)

    monkeypatch.setattr(inspect_verify, "verify_tables", compacted_before)
    code = main(["recover", str(path), "--verify", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [(one["severity"], Path(one["path"]).name) for one in report["findings"]] == [
        ("note", table.name)
    ]
    assert report["index"]["tables_verified"] == 2


def test_a_table_that_the_device_refuses_to_read(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(inspect_verify, "check_table", refuse)
    code, report = verify(whole, capsys)
    assert (code, report["verdict"]) == (5, "unreadable")


def test_tables_with_other_checksums_are_not_called_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = BlockBasedOptions()
    blocks.set_checksum_type(ChecksumType.xxh3())
    monkeypatch.setattr(options, "_table_options", lambda settings: blocks)
    engine = open_engine(tmp_path / "d")
    fill(engine)
    engine.close()
    code, report = verify(tmp_path / "d", capsys)
    assert (code, report["verdict"]) == (5, "unreadable")
    assert report["index"]["tables_verified"] == 0
    assert "checksum type 4" in report["findings"][0]["reason"]


def peak_bytes(path: Path) -> int:
    """The most memory that a process needs which verifies `path`."""
    script = (
        "import resource, sys\n"
        "from kiwi_engine.cli.main import main\n"
        "assert main(['recover', sys.argv[1], '--verify']) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1]) << 10


def test_memory_does_not_grow_with_the_data(whole: Path, tmp_path: Path) -> None:
    """A value of 64 MiB, and 24 MiB in one table."""
    engine = open_engine(tmp_path / "d")
    chance = random.Random(1)
    commit(engine, partial(engine.store.put, stored_key("huge"), chance.randbytes(64 << 20)))

    def many() -> None:
        for number in range(30_000):
            engine.store.put(stored_key(f"k{number}"), chance.randbytes(800))

    commit(engine, many)
    engine.close()
    assert peak_bytes(tmp_path / "d") - peak_bytes(whole) < 48 << 20


# ---- backups


def back_up(path: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "--dir", str(path), str(target)]) == 0
    capsys.readouterr()


def test_a_backup_is_verified(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(whole, tmp_path / "b", capsys)
    outcome = recover(tmp_path / "b", capsys, "--verify")
    assert (outcome.code, outcome.report["verdict"]) == (0, "clean")
    assert outcome.report["files_checked"] == outcome.report["manifest"]["files"] > 5
    assert f"as after LSN {outcome.report['manifest']['last_lsn']}" in outcome.text


def test_damage_in_a_backup_is_named(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(whole, tmp_path / "b", capsys)
    for file in sorted((tmp_path / "b").rglob("*")):
        content = file.read_bytes() if file.is_file() and file.name != "LOCK" else b""
        if not content:
            continue
        # A new file: the old one may be shared with the data directory.
        file.unlink()
        file.write_bytes(content)
        flip(file, len(content) // 2)
        outcome = recover(tmp_path / "b", capsys)
        assert outcome.code == 4, file
        assert [name for name, _ in outcome.findings("corruption")] == [file.name]
        file.write_bytes(content)
    assert recover(tmp_path / "b", capsys).code == 0


def test_a_damaged_manifest(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(whole, tmp_path / "b", capsys)
    flip(tmp_path / "b" / "BACKUP", 40)
    outcome = recover(tmp_path / "b", capsys)
    assert (outcome.code, outcome.report["manifest"]) == (4, None)
    assert "its manifest cannot be read" in outcome.text


def test_a_backup_is_restored_and_not_salvaged(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(whole, tmp_path / "b", capsys)
    assert main(["recover", str(tmp_path / "b"), "--salvage", str(tmp_path / "t")]) == 2
    assert "restore it" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()
