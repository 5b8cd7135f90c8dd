"""The rarely walked paths of backup and restore, each by itself."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kiwi_engine.commit.changes import Changes
from kiwi_engine.engine.backup import file_copy as backup_copy
from kiwi_engine.engine.backup import target as backup_target
from kiwi_engine.engine.backup import verify as backup_verify
from kiwi_engine.engine.backup.file_copy import copy_file
from kiwi_engine.engine.backup.job import BackupOrder
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.inspection.progress import Silent
from kiwi_engine.engine.restore import replay as restore_replay
from kiwi_engine.engine.restore.replay import ArchiveReplay
from kiwi_engine.errors import BackupError, DiskFullError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import Recorder
from tests.engine.backup_world import BackupWorld
from tests.engine.model import tiny_settings
from tests.engine.stepped import tiny_steps


@pytest.fixture
def made() -> Any:
    with tiny_steps():
        world = BackupWorld(8, tiny_settings(Random(8)))
        world.live(80)
        yield world


def test_a_large_copy_is_synced_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync at the end would write everything at once, and hold up the commits' syncs."""
    monkeypatch.setattr(backup_copy, "SLICE_BYTES", 10)
    monkeypatch.setattr(backup_copy, "_SYNC_BYTES", 20)
    fs = CrashFs()
    file = fs.create("/source")
    file.pwritev((bytes(range(45)),), 0)
    file.close()
    fs.watch = recorder = Recorder()
    copy_file(fs, "/source", "/target", 45, lambda slice_bytes: None)
    kinds = [line.split()[0] for line in recorder.lines()]
    assert kinds == ["create", *["write", "write", "sync"] * 2, "write", "sync"]
    assert fs.files()["/target"] == bytes(range(45))


def test_a_copy_that_was_cut_off_is_begun_anew(made: BackupWorld) -> None:
    made.back_up()
    draft = f"/backup/files/{backup_target._COPYING}"
    made.fs.create(draft).close()
    made.live(40)
    made.back_up(incremental=True)
    assert made.life.engine.backups.failure == ""
    assert not made.fs.exists(draft)
    assert backup_verify.verify_backup(made.fs, "/backup", Silent()).verdict == "clean"


def test_a_file_of_a_backup_that_the_device_refuses_to_read(
    made: BackupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.back_up()

    def refuse(*arguments: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(backup_verify, "checksum_file", refuse)
    found = backup_verify.verify_backup(made.fs, "/backup", Silent())
    assert found.verdict == "unreadable"
    assert "Input/output error" in found.findings[0].reason


def test_how_far_a_backup_is(made: BackupWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    backups = made.life.engine.backups
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(made, "meanwhile", lambda: seen.append(backups.progress))
    made.settle()
    made.back_up()
    assert backups.last is not None
    done = [bytes_done for bytes_done, _ in seen]
    total_bytes = {total for _, total in seen if total}
    assert done == sorted(done)
    assert done[0] == 0 < done[-1] <= backups.last.total_bytes
    assert total_bytes == {backups.last.total_bytes}
    assert backups.progress == (0, 0), "it has ended"


def test_a_backup_that_runs_is_cancelled_by_a_close(made: BackupWorld) -> None:
    backups = made.life.engine.backups
    made.settle()
    while made.life.jobs.run_one():
        made.life.engine.maintain()
    assert backups.progress == (0, 0)
    backups.start(BackupOrder(target="/backup"))
    assert backups.progress == (0, 0), "nobody knows yet how much there is"
    made.life.engine.maintain()
    assert backups.in_progress
    backups.close()
    assert (backups.in_progress, backups.failure) == (False, "the backup was cancelled")
    assert not made.fs.exists("/backup/BACKUP")


# ---- replaying an archive


class SlowEngine:
    """An engine that asks writers to wait, and then perhaps refuses them."""

    def __init__(self, delays_s: list[float], refusal: Exception | None = None) -> None:
        self.delays_s = delays_s
        self.refusal = refusal
        self.maintained = 0
        self.store = SimpleNamespace(group=SimpleNamespace(committed_ms=0))
        self.pipeline = SimpleNamespace(durable_lsn=7, keep_waiting_as_it_is=lambda: None)

    def write_delay_s(self) -> float:
        return self.delays_s.pop(0)

    def maintain(self) -> None:
        self.maintained += 1

    def begin(self) -> None: ...

    def end(self) -> None: ...


def replay_of(engine: SlowEngine) -> ArchiveReplay:
    manifest = SimpleNamespace(identity="5" * 32, last_lsn=7, committed_ms=1)
    return ArchiveReplay(cast(Engine, engine), cast(Any, manifest), Silent())


def test_a_replay_waits_as_writers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(restore_replay, "sleep", slept.append)
    engine = SlowEngine([0.5, 0.25, 0.0])
    replay_of(engine)._apply(Changes(99, [], {}))
    assert slept == [0.5, 0.25]
    assert engine.maintained == 3, "what writers wait for goes on meanwhile"
    assert engine.store.group.committed_ms == 99


def test_a_replay_that_is_refused_says_where_it_stopped() -> None:
    engine = SlowEngine([0.0], DiskFullError("no space"))
    with pytest.raises(BackupError, match=r"stopped behind LSN 7: .*no space"):
        replay_of(engine)._apply(Changes(0, [], {}))


@pytest.mark.parametrize(
    ("durable_lsn", "refusal", "reason"),
    [(6, None, "the log ends at 6"), (7, DiskFullError("no space"), "no space")],
)
def test_a_replay_that_is_not_durable_is_not_complete(
    durable_lsn: int, refusal: Exception | None, reason: str
) -> None:
    engine = SlowEngine([], refusal)
    engine.pipeline.durable_lsn = durable_lsn
    with pytest.raises(BackupError, match=reason):
        replay_of(engine).require_complete()
