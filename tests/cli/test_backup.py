"""`kiwi-engine backup` and `restore`, with real processes, under load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.cli.main import main
from tests.cli.data_directory import closed, crashed, fingerprint
from tests.conftest import StartKiwi
from tests.support.prefix_load import PrefixLoad
from tests.support.servers import ServerProcess, kiwi, wait_until

SMALL = {
    "value_log_segment_size": "300kb",
    "wal_segment_size": "256kb",
    "wal_retained_max": "600kb",
    "drain_interval": "50ms",
    "rocksdb_write_buffer_size": "128kb",
}


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any], str]:
    """(exit code, what it printed as JSON, standard error)."""
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else {}, captured.err


def back_up(
    capsys: pytest.CaptureFixture[str], server: ServerProcess, target: Path, *options: str
) -> dict[str, Any]:
    code, report, error = run(
        capsys, "backup", "--json", "--port", str(server.port), target, *options
    )
    assert code == 0, error
    return report


def judge_directory(directory: Path, load: PrefixLoad, at_least: int) -> int:
    """Serve a restored directory, and look at it as a client does."""
    with kiwi(directory, {"wal-segment-size": "256kb"}) as server, server.client() as client:
        return load.judge(client, at_least)


def test_backups_under_load_restore_to_prefixes_of_the_log(
    start_kiwi: StartKiwi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, target = tmp_path / "archive", tmp_path / "backup"
    server = start_kiwi(**SMALL, wal_archive_dir=str(archive), wal_archive_interval="30ms")
    load = PrefixLoad(server.port, 4)
    wait_until(lambda: load.acknowledged > 1500, "some load")
    before_full = load.acknowledged
    full = back_up(capsys, server, target)
    code, restored, error = run(capsys, "restore", "--json", target, tmp_path / "full")
    assert (code, restored["last_lsn"]) == (0, full["last_lsn"]), error
    wait_until(lambda: load.acknowledged > before_full + 1500, "more load")
    before_second = load.acknowledged
    second = back_up(capsys, server, target, "--incremental")
    assert second["last_lsn"] > full["last_lsn"]
    assert second["written_bytes"] < second["total_bytes"]
    wait_until(lambda: load.acknowledged > before_second + 500, "more load")
    load.stop()
    assert server.stop() == 0

    assert judge_directory(tmp_path / "full", load, before_full) < load.acknowledged
    assert main(["recover", "--verify", str(tmp_path / "full")]) == 0
    assert main(["restore", str(target), str(tmp_path / "second")]) == 0
    between = judge_directory(tmp_path / "second", load, before_second)
    assert main(["restore", str(target), str(tmp_path / "all"), "--archive", str(archive)]) == 0
    assert judge_directory(tmp_path / "all", load, load.acknowledged) == load.acknowledged > between
    half = str((second["last_lsn"] + last_archived(archive)) // 2)
    words = [str(target), str(tmp_path / "half"), "--archive", str(archive), "--until", half]
    assert main(["restore", *words]) == 0
    assert between <= judge_directory(tmp_path / "half", load, before_second) < load.acknowledged


def last_archived(archive: Path) -> int:
    return max(int(path.stem.partition("-")[2]) for path in archive.glob("*.archive"))


def test_a_directory_that_no_server_uses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = crashed(tmp_path / "data")
    code, report, error = run(capsys, "backup", "--json", "--dir", directory, tmp_path / "backup")
    assert (code, report["last_lsn"]) == (0, 8), error
    assert main(["restore", str(tmp_path / "backup"), str(tmp_path / "restored")]) == 0
    shown = capsys.readouterr().out
    assert "state     after LSN 8, at 20" in shown
    assert "8 files" not in shown
    assert main(["recover", "--verify", str(tmp_path / "restored")]) == 0
    capsys.readouterr()
    assert main(["backup", "--dir", str(directory), str(tmp_path / "backup")]) == 1
    assert "holds a backup already; --incremental would renew it" in capsys.readouterr().err
    assert main(["backup", "--incremental", "--dir", str(directory), str(tmp_path / "backup")]) == 0


def test_a_restored_directory_is_another_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, backup, restored = closed(tmp_path / "data"), tmp_path / "b", tmp_path / "r"
    assert main(["backup", "--dir", str(directory), str(backup)]) == 0
    assert main(["restore", str(backup), str(restored)]) == 0
    before = fingerprint(backup)
    assert main(["backup", "--incremental", "--dir", str(restored), str(backup)]) == 1
    assert "backup of another data directory" in capsys.readouterr().err
    assert {k: v for k, v in fingerprint(backup).items() if k != "LOCK"} == {
        k: v for k, v in before.items() if k != "LOCK"
    }


def test_refusals_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    directory, backup = str(closed(tmp_path / "data")), str(tmp_path / "b")
    assert main(["backup", "--dir", directory, backup]) == 0
    for words, code, reason in [
        (["backup", "--dir", str(tmp_path / "none"), backup], 1, "not a Kiwi Engine data"),
        (["backup", "--dir", directory, str(tmp_path / "file")], 1, "is not a directory"),
        (["backup", "--dir", directory, str(tmp_path / "no" / "b")], 1, "No such file"),
        (["backup", "--port", "1", backup], 1, "no server listens"),
        (["restore", str(tmp_path / "none"), str(tmp_path / "r")], 1, "holds no backup"),
        (["restore", directory, str(tmp_path / "r")], 1, "holds no backup"),
        (["restore", backup, directory], 1, "is not empty"),
        (["restore", backup, str(tmp_path / "file")], 1, "is not a directory"),
        (["restore", backup, str(tmp_path / "r"), "--until", "3"], 1, "made before that"),
        (["restore", backup, str(tmp_path / "r"), "--until", "99"], 1, "takes --archive"),
        (["restore", backup, str(tmp_path / "r"), "--until", "@1"], 1, "made before that"),
        (["restore", backup, str(tmp_path / "r"), "--archive", "/nowhere"], 1, "no archive"),
    ]:
        capsys.readouterr()
        assert main(words) == code, words
        assert reason in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "r.partial").exists()
    with pytest.raises(SystemExit):
        main(["restore", backup, str(tmp_path / "r"), "--until", "tomorrow"])


def test_damage_is_found_before_there_is_a_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, backup = closed(tmp_path / "data"), tmp_path / "b"
    assert main(["backup", "--dir", str(directory), str(backup)]) == 0
    for path in (backup / "files").iterdir():
        content = path.read_bytes()
        # The tables are links: what is damaged here would be damaged there.
        path.unlink()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:] if content else b"x")
        assert main(["restore", str(backup), str(tmp_path / "r")]) == 4
        assert path.name in capsys.readouterr().err
        path.write_bytes(content)
    assert main(["restore", str(backup), str(tmp_path / "r")]) == 0


def test_what_a_killed_restore_left_is_cleared(tmp_path: Path) -> None:
    directory, backup = closed(tmp_path / "data"), tmp_path / "b"
    assert main(["backup", "--dir", str(directory), str(backup)]) == 0
    (tmp_path / "r.partial" / "wal").mkdir(parents=True)
    (tmp_path / "r.partial" / "wal" / "0000000001.wal").write_bytes(b"half")
    assert main(["restore", str(backup), str(tmp_path / "r")]) == 0
    assert not (tmp_path / "r.partial").exists()
    (tmp_path / "s.partial").mkdir()
    (tmp_path / "s.partial" / "mine.txt").write_text("")
    assert main(["restore", str(backup), str(tmp_path / "s")]) == 1
    assert (tmp_path / "s.partial" / "mine.txt").exists()
