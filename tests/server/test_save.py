"""BGSAVE, SAVE, LASTSAVE and KIWI BACKUP of a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.cli.main import main
from tests.conftest import StartKiwi
from tests.support.client import Client, ErrorReply, encode
from tests.support.servers import kiwi, wait_until


def error_of(reply: Any) -> str:
    assert isinstance(reply, ErrorReply), reply
    return str(reply)


def restored_size(source: Path, target: Path) -> int:
    assert main(["restore", str(source), str(target)]) == 0
    with kiwi(target) as server, server.client() as client:
        return int(client.command("DBSIZE"))


def fill(client: Client, count: int, size: int = 8) -> None:
    assert set(client.pipeline([("SET", f"k{n}", "v" * size) for n in range(count)])) == {b"OK"}


def test_save_waits_and_bgsave_does_not(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    server = start_kiwi()
    backup = server.directory / "backup"
    with server.client() as client:
        before = client.info("persistence")
        assert before["rdb_saves"] == "0"
        assert before["rdb_last_bgsave_time_sec"] == "-1"
        assert int(before["rdb_last_save_time"]) == client.command("LASTSAVE")
        fill(client, 200)
        assert client.command("SAVE") == b"OK"
        fill(client, 300)
        assert client.command("BGSAVE") == b"Background saving started"
        wait_until(lambda: client.info("persistence")["rdb_saves"] == "2", "the second save")
        facts = client.info("persistence")
        assert (facts["rdb_bgsave_in_progress"], facts["rdb_last_bgsave_status"]) == ("0", "ok")
        assert facts["rdb_last_bgsave_time_sec"] == "0"
        assert client.command("LASTSAVE") == int(facts["rdb_last_save_time"])
        assert client.command("LASTSAVE") >= int(before["rdb_last_save_time"])
        fill(client, 350)
    assert server.stop() == 0
    assert restored_size(backup, tmp_path / "restored") == 300
    server.start()
    with server.client() as client:
        assert client.command("DBSIZE") == 350, "the backup inside it is not taken for data"


def test_one_save_at_a_time(start_kiwi: StartKiwi) -> None:
    # So slow that it is still at it.
    server = start_kiwi(backup_rate="200kb", value_threshold="100")
    with server.client() as client, server.client() as other:
        fill(client, 500, 3000)
        assert client.command("BGSAVE", "schedule") == b"Background saving started"
        for words in (["SAVE"], ["BGSAVE"], ["BGSAVE", "SCHEDULE"]):
            assert error_of(client.command(*words)) == "ERR Background save already in progress"
        assert client.info("persistence")["rdb_bgsave_in_progress"] == "1"
        target = str(server.directory.parent / "other")
        assert "in progress already" in error_of(client.command("KIWI", "BACKUP", target))
        assert other.command("SET", "a", "1") == b"OK", "others go on"
        assert client.command("KIWI", "BACKUP-CANCEL") == 1
        wait_until(
            lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "its failure"
        )
        assert client.info("persistence")["last_backup_error"] == "the backup was cancelled"
        assert client.command("KIWI", "BACKUP-CANCEL") == 0
        assert client.command("CONFIG", "SET", "backup-rate", "0") == b"OK"
        assert client.command("SAVE") == b"OK"
        assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"


def test_wrong_arguments(start_kiwi: StartKiwi) -> None:
    server = start_kiwi()
    with server.client() as client:
        assert error_of(client.command("BGSAVE", "now")) == "ERR syntax error"
        assert error_of(client.command("BGSAVE", "SCHEDULE", "x")) == "ERR syntax error"
        assert "wrong number of arguments for 'save'" in error_of(client.command("SAVE", "x"))
        assert "wrong number" in error_of(client.command("LASTSAVE", "x"))
        assert "syntax error" in error_of(client.command("KIWI", "BACKUP", "/x", "full"))
        assert "absolute path" in error_of(client.command("KIWI", "BACKUP", "x"))
        assert "not UTF-8" in error_of(client.command("KIWI", "BACKUP", b"/\xff"))


def test_a_failed_save_says_why(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    server = start_kiwi(backup_dir=str(tmp_path / "taken"))
    with server.client() as client:
        assert "is not a directory" in error_of(client.command("SAVE"))
        assert client.info("persistence")["rdb_last_bgsave_status"] == "err"
        reply = error_of(client.command("SHUTDOWN", "SAVE"))
        assert reply == "ERR Errors trying to SHUTDOWN. Check logs."
        assert client.command("PING") == b"PONG"
        client.send(encode("SHUTDOWN", "SAVE", "FORCE"))
        assert client.read_until_closed() == b""
    assert server.wait() == 0


def test_shutdown_save_makes_a_backup(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    server = start_kiwi(backup_dir=str(tmp_path / "saved"))
    with server.client() as client:
        fill(client, 120)
        client.send(encode("SHUTDOWN", "SAVE"))
        assert client.read_until_closed() == b""
    assert server.wait() == 0
    assert restored_size(tmp_path / "saved", tmp_path / "restored") == 120


def test_a_stop_does_not_wait_for_a_backup(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    server = start_kiwi(backup_rate="100kb", value_threshold="100")
    with server.client() as client:
        fill(client, 1000, 3000)
        assert client.command("KIWI", "BACKUP", str(tmp_path / "b")) == b"OK"
    assert server.stop() == 0
    assert not (tmp_path / "b" / "BACKUP").exists()
    server.start()
    with server.client() as client:
        assert client.command("CONFIG", "SET", "backup-rate", "0") == b"OK"
        assert client.command("KIWI", "BACKUP", str(tmp_path / "b"), "INCREMENTAL") == b"OK"
        wait_until(lambda: client.info("persistence")["backups_made"] == "1", "the backup")
    assert restored_size(tmp_path / "b", tmp_path / "restored") == 1000


@pytest.mark.parametrize("mode", ["dual", "single"])
def test_an_archive_of_another_directory_stops_the_start(
    start_kiwi: StartKiwi, tmp_path: Path, mode: str
) -> None:
    archive = tmp_path / "archive"
    server = start_kiwi(wal_archive_dir=str(archive), wal_archive_interval="10ms")
    with server.client() as client:
        fill(client, 10)
        wait_until(lambda: client.info("persistence")["archive_lag"] == "0", "the archive")
    assert server.stop() == 0
    flags = {"wal-archive-dir": str(archive), "runtime-mode": mode}
    other = kiwi(tmp_path / "other", flags)
    other.start(wait=False)
    assert other.wait() == 2
    assert "is the archive of another data directory" in other.output()
