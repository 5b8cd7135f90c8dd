"""Backups of an engine that goes on meanwhile; what is restored is exactly a prefix of the log.

Replay one seed: BACKUP_SEEDS=17 pytest tests/engine/test_backup.py
"""

from __future__ import annotations

import os
from random import Random

import msgspec
import pytest

from kiwi_engine.engine.backup.job import BackupOrder
from kiwi_engine.engine.backup.manifest import Manifest, encode_manifest
from kiwi_engine.engine.backup.target import read_manifest
from kiwi_engine.engine.restore.restore import RestoreOrder
from kiwi_engine.errors import BackupError, CorruptionError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FailAt, Fault
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.backup_world import BackupWorld, found_in, judge_prefix, restore
from tests.engine.model import Life, tiny_settings
from tests.engine.stepped import tiny_steps

SEEDS = [int(seed) for seed in os.environ.get("BACKUP_SEEDS", "").split(",") if seed] or range(30)


def world(seed: int, fs: CrashFs | None = None) -> BackupWorld:
    return BackupWorld(seed, tiny_settings(Random(seed)), fs)


def manifest_of(made: BackupWorld, target: str = "/backup") -> Manifest:
    assert made.life.engine.backups.failure == ""
    return read_manifest(made.fs, target)


def check_restored(made: BackupWorld, source: str, target: str, at_least: int) -> int:
    """Restore, open what was restored, compare; returns the request that it is after."""
    report, index = restore(made.fs, RestoreOrder(source=source, target=target), made.settings)
    assert report.last_lsn == report.backup_lsn == read_manifest(made.fs, source).last_lsn
    # A restore that has ended outlives a power failure.
    life = found_in(made.fs.crash(0, 0.0), target, index, made.settings)
    assert life.engine.opened.log.next_lsn == report.last_lsn + 1
    found = judge_prefix(life, made.history, at_least=at_least)
    life.close()
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_backup_under_load_is_a_prefix_of_the_log(seed: int) -> None:
    with tiny_steps():
        made = world(seed)
        made.live(40)
        acknowledged = made.history.acknowledged
        made.back_up()
        assert made.life.engine.backups.failure == ""
        first = check_restored(made, "/backup", "/first", acknowledged)
        made.live(40)
        acknowledged = made.history.acknowledged
        made.back_up(incremental=True)
        assert made.life.engine.backups.failure == ""
        second = check_restored(made, "/backup", "/second", acknowledged)
        assert first <= second
        made.live(10)


def test_the_same_seed_makes_the_same_backup() -> None:
    def files(seed: int) -> dict[str, bytes]:
        with tiny_steps():
            made = world(seed)
            made.live(60)
            made.back_up()
            names = {file.stored for file in manifest_of(made).files}
            return {p: c for p, c in made.fs.files().items() if p.rpartition("/")[2] in names}

    assert files(3) == files(3) != files(4)


def test_an_incremental_backup_keeps_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with tiny_steps():
        made = world(1)
        made.live(200)
        made.settle()
        made.back_up()
        before = manifest_of(made)
        made.meanwhile = lambda: None  # type: ignore[method-assign]
        made.back_up(incremental=True)
        after = manifest_of(made)
        kept = set(before.files) & set(after.files)
        assert any(file.name.startswith("vlog/") for file in kept)
        report = made.life.engine.backups.last
        assert report is not None
        assert report.written_bytes < report.total_bytes == after.total_bytes
        stored = {p.rpartition("/")[2] for p in made.fs.files() if p.startswith("/backup/files/")}
        assert stored == {file.stored for file in after.files}, "what is in no manifest is gone"


def test_what_a_target_must_be() -> None:
    with tiny_steps():
        made = world(2)
        made.live(20)
        made.fs.make_directory("/other")
        made.fs.create("/other/notes.txt").close()
        for target, words in [("/other", "not empty"), ("/other/notes.txt", "not a directory")]:
            made.back_up(target)
            assert words in made.life.engine.backups.failure
        assert made.fs.files()["/other/notes.txt"] == b""
        made.back_up()
        made.back_up()
        assert "holds a backup already" in made.life.engine.backups.failure
        foreign = msgspec.structs.replace(read_manifest(made.fs, "/backup"), identity="6" * 32)
        overwrite_manifest(made.fs, foreign)
        made.back_up(incremental=True)
        assert "another data directory" in made.life.engine.backups.failure


def overwrite_manifest(fs: CrashFs, manifest: Manifest) -> None:
    fs.overwrite("/backup/BACKUP", encode_manifest(manifest))


def test_one_backup_at_a_time_and_a_cancelled_one_leaves_the_last() -> None:
    with tiny_steps():
        made = world(5)
        made.live(50)
        made.back_up()
        before = manifest_of(made)
        backups = made.life.engine.backups
        made.live(20)
        made.settle()
        backups.start(BackupOrder(target="/backup", incremental=True))
        with pytest.raises(BackupError, match="in progress"):
            backups.start(BackupOrder(target="/elsewhere"))
        made.life.engine.maintain()
        assert backups.cancel()
        made.run_backup()
        assert backups.failure == "the backup was cancelled"
        assert not backups.cancel()
        assert read_manifest(made.fs, "/backup") == before
        assert not made.fs.exists("/data/checkpoint")
        assert made.life.engine.pins.counts() == {}
        check_restored(made, "/backup", "/restored", 0)


@pytest.mark.parametrize("seed", range(12))
def test_a_disk_that_fills_up_fails_the_backup_and_nothing_else(seed: int) -> None:
    with tiny_steps():
        made = world(seed)
        made.live(60)
        made.back_up()
        before = manifest_of(made)
        made.live(30)
        made.settle()
        fault = FailAt(made.random.randint(1, 12), Fault(28))

        def only_the_backup(operation: object) -> Fault | None:
            return fault(operation) if "/backup" in operation.path else None  # type: ignore[attr-defined,arg-type]

        made.fs.watch = only_the_backup
        made.back_up(incremental=True)
        made.fs.watch = None
        backups = made.life.engine.backups
        assert fault.fired == bool(backups.failure)
        assert made.life.engine.refusal is None
        if backups.failure:
            assert read_manifest(made.fs, "/backup") == before
        check_restored(made, "/backup", "/restored", 0)
        made.live(20)
        acknowledged = made.history.acknowledged
        made.back_up(incremental=True)
        assert backups.failure == ""
        check_restored(made, "/backup", "/again", acknowledged)


@pytest.mark.parametrize("seed", range(14))
def test_a_crash_leaves_the_earlier_or_the_new_backup(seed: int) -> None:
    """At every operation on the target; whatever is there then restores, and can be renewed."""
    with tiny_steps():
        made = world(seed)
        made.live(40)
        first_of_all = made.random.random() < 0.5
        acknowledged = 0 if first_of_all else made.history.acknowledged
        if not first_of_all:
            made.back_up()
        cuts: list[tuple[CrashFs, MemoryIndex]] = []

        def cut(operation: object) -> None:
            if operation.path.startswith("/backup"):  # type: ignore[attr-defined]
                keep = made.random.choice([0.0, 0.4, 1.0])
                fs = made.fs.crash(made.random.getrandbits(32), keep)
                cuts.append((fs, made.index.crash()))

        made.fs.watch = cut
        made.back_up(incremental=True)
        made.fs.watch = None
        assert manifest_of(made).files
        for fs, index in made.random.sample(cuts, min(len(cuts), 8)):
            judge_cut(made, fs, index, acknowledged, first_of_all)


def judge_cut(
    made: BackupWorld, fs: CrashFs, index: MemoryIndex, acknowledged: int, first_of_all: bool
) -> None:
    if fs.exists("/backup/BACKUP") or not first_of_all:
        order = RestoreOrder(source="/backup", target="/restored")
        report, restored = restore(fs, order, made.settings)
        life = found_in(fs, "/restored", restored, made.settings)
        judge_prefix(life, made.history, at_least=acknowledged)
        assert life.engine.opened.log.next_lsn == report.last_lsn + 1
        life.close()
    # The next attempt, by a process started after the crash.
    index.files = fs
    again = Life(fs, index, made.settings, made.history.copy())
    again.engine.backups.start(BackupOrder(target="/backup", incremental=True))
    jobs = again.engine.backups._jobs
    while again.engine.backups.in_progress:
        again.engine.maintain()
        again.jobs.run_one()
        jobs.run_one()  # type: ignore[attr-defined]
    assert again.engine.backups.failure == ""
    again.close()
    order = RestoreOrder(source="/backup", target="/renewed")
    _, restored = restore(fs, order, made.settings)
    found = found_in(fs, "/renewed", restored, made.settings)
    assert found.current == again.current
    found.close()


def test_a_damaged_or_missing_file_is_found() -> None:
    with tiny_steps():
        made = world(8)
        made.live(80)
        made.back_up()
        for file in manifest_of(made).files:
            path = f"/backup/files/{file.stored}"
            content = made.fs.files()[path]
            for damage in (bytes([content[0] ^ 1]) + content[1:], content[:-1], content + b"x"):
                made.fs.overwrite(path, damage)
                with pytest.raises(CorruptionError):
                    restore(
                        made.fs, RestoreOrder(source="/backup", target="/restored"), made.settings
                    )
                assert not made.fs.exists("/restored")
                assert not made.fs.exists("/restored.partial")
            made.fs.overwrite(path, content)
        check_restored(made, "/backup", "/restored", 0)
