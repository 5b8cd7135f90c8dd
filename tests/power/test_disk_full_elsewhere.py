"""Where backups and the archive go is full: the server goes on, and so do they when space is freed.

Only the small volume is full, not the disk with the data.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kiwi_engine.engine.backup.manifest import MANIFEST
from tests.power.test_disk_full import LARGE, SETTINGS, SMALL, Disk
from tests.support.client import Client
from tests.support.loop_volume import MEBIBYTE, Volume, why_not
from tests.support.numbered_writer import NumberedWriter
from tests.support.servers import ROOT, ServerProcess, kiwi, wait_until

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "volumes can be mounted")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Volume(tmp_path / "image", tmp_path / "elsewhere", 32 * MEBIBYTE) as volume:
        yield Disk(volume)


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [sys.executable, "-m", "kiwi_engine", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def back_up(server: ServerProcess, target: Path) -> subprocess.CompletedProcess[str]:
    return run("backup", "--port", str(server.port), "--incremental", target)


def test_a_backup_that_does_not_fit_fails_and_leaves_the_one_before(
    disk: Disk, tmp_path: Path
) -> None:
    target = disk.directory / "backup"
    with kiwi(tmp_path / "data", SETTINGS) as server, server.client() as client:
        writer = NumberedWriter(client, LARGE, pipeline=20)
        writer.write_many(200)
        assert back_up(server, target).returncode == 0
        before = (target / MANIFEST).read_bytes()
        writer.write_many(1000)
        disk.fill(leave_bytes=MEBIBYTE)
        failed = back_up(server, target)
        assert failed.returncode == 1
        assert "No space left on device" in failed.stderr
        assert (target / MANIFEST).read_bytes() == before
        # The server is not concerned.
        writer.write_many(100)
        assert client.info()["writes_refused"] == "0"
        disk.free()
        assert back_up(server, target).returncode == 0
        restored = tmp_path / "restored"
        assert run("restore", target, restored).returncode == 0
        with kiwi(restored, SETTINGS) as again, again.client() as reader:
            writer.check(reader)


def test_a_restore_that_does_not_fit_fails_and_leaves_nothing(disk: Disk, tmp_path: Path) -> None:
    backup, target = tmp_path / "backup", disk.directory / "restored"
    with kiwi(tmp_path / "data", SETTINGS) as server, server.client() as client:
        writer = NumberedWriter(client, LARGE, pipeline=20)
        writer.write_many(1000)
        assert back_up(server, backup).returncode == 0
    disk.fill(leave_bytes=2 * MEBIBYTE)
    failed = run("restore", backup, target)
    assert failed.returncode == 1, failed.stderr
    assert "No space left on device" in failed.stderr
    assert not target.exists()
    disk.free()
    assert run("restore", backup, target).returncode == 0
    with kiwi(target, SETTINGS) as again, again.client() as reader:
        writer.check(reader)


def test_an_archive_that_is_full_catches_up(disk: Disk, tmp_path: Path) -> None:
    archive = disk.directory / "archive"
    settings = {**SETTINGS, "wal-archive-dir": str(archive), "wal-archive-interval": 50}
    with kiwi(tmp_path / "data", settings) as server, server.client() as client:
        writer = NumberedWriter(client, SMALL, pipeline=20)
        writer.write_many(200)
        wait_until(lambda: lag(client) == 0, "the archive to have everything")
        disk.fill()
        writer.write_many(200)
        wait_until(lambda: "No space left" in client.info()["last_archive_error"], "the failure")
        writer.write_many(200)
        assert lag(client) > 0
        disk.free()
        wait_until(lambda: lag(client) == 0, "the archive to catch up")
        wait_until(lambda: client.info()["last_archive_error"] == "", "the end of the failure")
        writer.check(client)


def lag(client: Client) -> int:
    """Durable records that are not in the archive."""
    return int(client.info()["archive_lag"])
