"""What can get in the way of a backup, an archive or a restore, and what is said then."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from random import Random
from unittest.mock import patch

import msgspec
import pytest

from kiwi_engine.engine.archive import writer as archive_writer
from kiwi_engine.engine.archive.format import ArchiveSpan, encode_header
from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.archive.writer import ArchiveWriter
from kiwi_engine.engine.backup.job import BackupJob, BackupOrder
from kiwi_engine.engine.backup.manifest import encode_manifest
from kiwi_engine.engine.backup.target import read_manifest
from kiwi_engine.engine.restore.place import RestorePlace
from kiwi_engine.engine.restore.restore import RestoreOrder
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.errors import ArchiveError, BackupError, CorruptionError, LockedError
from kiwi_engine.fs.trees import files_below, remove_tree
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import Fault, Operation
from kiwi_engine.wal.format import Record
from tests.engine.backup_world import BackupWorld, restore
from tests.engine.model import tiny_settings
from tests.engine.stepped import tiny_steps

IDENTITY = "5" * 32


@pytest.fixture
def made() -> Iterator[BackupWorld]:
    with tiny_steps():
        world = BackupWorld(8, tiny_settings(Random(8)))
        world.live(80)
        yield world


def archiving(seed: int, fs: CrashFs | None = None) -> BackupWorld:
    settings = msgspec.structs.replace(
        tiny_settings(Random(seed)), archive_directory="/archive", archive_interval_ns=0
    )
    return BackupWorld(seed, settings, fs)


# ---- backups


def test_where_no_links_can_be_made_files_are_copied(made: BackupWorld) -> None:
    def no_links(operation: Operation) -> Fault | None:
        return Fault(errno.EXDEV) if operation.kind == "link" else None

    made.fs.watch = no_links
    made.back_up()
    assert made.life.engine.backups.failure == ""
    made.fs.watch = None
    restore(made.fs, RestoreOrder(source="/backup", target="/r"), made.settings)


def test_a_link_that_fails_otherwise_fails_the_backup(made: BackupWorld) -> None:
    made.fs.watch = lambda operation: Fault(errno.EIO) if operation.kind == "link" else None
    made.back_up()
    assert "Input/output error" in made.life.engine.backups.failure
    made.fs.watch = None
    made.back_up()
    assert made.life.engine.backups.failure == "", "the first attempt was cleared away"


def test_a_file_that_changes_while_it_is_copied(made: BackupWorld) -> None:
    def rotting(operation: Operation) -> Fault | None:
        if operation.kind != "link":
            return None
        path = "/data/checkpoint/IMAGE"
        made.fs.overwrite(path, bytes(len(made.fs.files()[path])))
        return Fault(errno.EXDEV)

    made.fs.watch = rotting
    made.back_up()
    assert "changed while it was copied" in made.life.engine.backups.failure


@pytest.mark.parametrize(
    "target", ["/data", "/data/wal", "/data/index/x", "/data/vlog/x", "/data/checkpoint"]
)
def test_a_target_among_the_files_of_the_engine(made: BackupWorld, target: str) -> None:
    made.back_up(target)
    assert "among the files of the data directory" in made.life.engine.backups.failure


def test_something_foreign_beside_an_unfinished_backup(made: BackupWorld) -> None:
    made.fs.make_directory("/backup")
    made.fs.create("/backup/BACKUP.new").close()
    made.fs.create("/backup/photo.jpg").close()
    made.back_up()
    failure = made.life.engine.backups.failure
    assert failure == "/backup holds photo.jpg, which is no part of a backup"


def test_a_value_segment_that_somebody_removed(made: BackupWorld) -> None:
    made.settle()
    segment = next(path for path in made.fs.files() if path.startswith("/data/vlog/"))
    made.meanwhile = lambda: None  # type: ignore[method-assign]
    made.fs.remove(segment)
    made.back_up()
    assert segment in made.life.engine.backups.failure


def test_a_backup_that_waits_for_a_sync_can_be_cancelled(made: BackupWorld) -> None:
    backups = made.life.engine.backups
    made.life.pipeline.acknowledged_lsn = made.life.pipeline.durable_lsn + 1
    backups.start(BackupOrder(target="/backup"))
    backups.maintain()
    assert backups.in_progress
    assert backups.progress == (0, 0)
    assert backups.cancel()
    assert (backups.in_progress, backups.failure) == (False, "the backup was cancelled")


def test_a_bug_in_a_backup_is_not_the_engines_end(made: BackupWorld) -> None:
    backups = made.life.engine.backups
    backups.start(BackupOrder(target="/backup"))
    with patch.object(BackupJob, "run", return_value=None):
        while not backups._jobs.is_running("backup"):
            made.life.pipeline.step()
            made.life.jobs.run_one()
            made.life.engine.maintain()
        backups._jobs.close()
    backups._ended(None, AssertionError("a bug"))
    assert "met a bug" in backups.failure
    assert made.life.engine.refusal is None


# ---- restores


def restored(world: BackupWorld, **others: str) -> None:
    restore(world.fs, RestoreOrder(source="/backup", target="/r", **others), world.settings)  # type: ignore[arg-type]


def test_a_backup_that_is_not_what_its_manifest_says(made: BackupWorld) -> None:
    made.back_up()
    manifest = read_manifest(made.fs, "/backup")
    other = msgspec.structs.replace(manifest, last_lsn=manifest.last_lsn + 1)
    made.fs.overwrite("/backup/BACKUP", encode_manifest(other))
    with pytest.raises(BackupError, match=f"but its files end at {manifest.last_lsn}"):
        restored(made)
    made.fs.overwrite("/backup/BACKUP", encode_manifest(manifest))
    made.fs.remove(f"/backup/files/{manifest.files[0].stored}")
    with pytest.raises(CorruptionError, match="the file is missing from the backup"):
        restored(made)


def test_an_archive_of_another_directory(made: BackupWorld) -> None:
    made.back_up()
    made.fs.make_directory("/other")
    lsn = read_manifest(made.fs, "/backup").last_lsn + 1
    path = f"/other/{ArchiveSpan(lsn, lsn).name}"
    made.fs.create(path).close()
    made.fs.overwrite(path, encode_header("6" * 32, lsn))
    with pytest.raises(ArchiveError, match="another data directory than /backup"):
        restored(made, archive="/other")
    with pytest.raises(ArchiveError, match="there is no archive /nowhere"):
        restored(made, archive="/nowhere")


def test_a_place_that_is_taken(made: BackupWorld) -> None:
    made.back_up()
    made.fs.create("/r.partial").close()
    with pytest.raises(BackupError, match="not a directory"):
        restored(made)
    made.fs.remove("/r.partial")
    made.fs.make_directory("/r")
    restored(made)
    with pytest.raises(BackupError, match="is not empty"):
        restored(made)


def test_two_restores_to_one_place(made: BackupWorld) -> None:
    made.back_up()
    place = RestorePlace(made.fs, "/r")
    with pytest.raises(LockedError):
        restored(made)
    place.clear()
    restored(made)


@pytest.mark.parametrize("number", [5, 20, 40, 60, 80])
def test_a_restore_that_fails_leaves_nothing(number: int) -> None:
    with tiny_steps():
        world = archiving(3)
        world.live(40)
        world.back_up()
        world.live(60)
        world.life.close()
        count = 0

        def full(operation: Operation) -> Fault | None:
            nonlocal count
            count += operation.path.startswith("/r.partial") and operation.kind != "remove"
            failing = count == number and operation.kind not in {"remove", "remove-directory"}
            return Fault(errno.ENOSPC) if failing else None

        world.fs.watch = full
        with pytest.raises((BackupError, OSError)):
            restored(world, archive="/archive")
        world.fs.watch = None
        assert not world.fs.exists("/r")
        assert not world.fs.exists("/r.partial")
        restored(world, archive="/archive")


# ---- the archive


def test_files_of_an_archive_have_a_bound() -> None:
    with tiny_steps(), patch.object(archive_writer, "FILE_BYTES", 200):
        world = archiving(5)
        world.live(60)
        world.life.close()
        archive = Archive(world.fs, "/archive")
        sizes = [world.fs.size(archive.path(span)) for span in archive.spans]
        assert len(sizes) > 5
        assert archive.last_lsn == world.life.engine.pipeline.durable_lsn


def test_a_record_that_makes_no_sense_is_not_archived() -> None:
    fs = CrashFs()
    writer = ArchiveWriter(fs, "", IDENTITY, lambda key, pointer: b"")
    with pytest.raises(CorruptionError, match="not a changes payload"):
        writer.write([Record(1, b"\xc0", "/0000000001.wal", 20, 20)], lambda lsn: None)
    assert Archive(fs, "").spans == []


def test_a_second_writer_of_an_archive_is_found_out() -> None:
    with tiny_steps():
        world = archiving(5)
        world.live(30)
        world.settle()
        archiver = world.life.engine.archiver
        first = archiver.archived_lsn + 1
        last = world.life.pipeline.durable_lsn
        assert first <= last
        world.fs.create(f"/archive/{ArchiveSpan(first, last).name}").close()
        archiver._attempt()
        assert "somebody else writes this archive" in archiver.facts().last_error


def test_an_archive_that_cannot_be_reached_at_the_start() -> None:
    fs = CrashFs()

    def away(operation: Operation) -> Fault | None:
        return Fault(errno.EIO) if operation.path.startswith("/archive") else None

    with tiny_steps():
        fs.watch = away
        world = archiving(5, fs)
        archiver = world.life.engine.archiver
        assert "Input/output error" in archiver.facts().last_error
        world.live(60)
        assert archiver.facts().archived_lsn == 0
        assert world.life.engine.opened.log.facts().oldest_lsn == 1, "nothing is given up"
        fs.watch = None
        world.live(20)
        world.life.close()
        assert archiver.facts().last_error == ""
        archive = Archive(fs, "/archive")
        assert (archive.first_lsn, archive.last_lsn) == (1, world.life.pipeline.durable_lsn)


def test_a_bug_in_the_archiver_is_told() -> None:
    with tiny_steps():
        world = archiving(5)
        archiver = world.life.engine.archiver
        with patch.object(archiver._jobs, "collect", lambda: [("archive", None, TypeError("x"))]):
            archiver.maintain()
        assert archiver.facts().last_error == "a bug, see the log file"
        assert world.life.engine.refusal is None


def test_the_interval_is_kept_unless_the_log_grows_too_much() -> None:
    with tiny_steps():
        world = archiving(5)
        engine = world.life.engine
        hour = msgspec.structs.replace(engine.settings, archive_interval_ns=3_600_000_000_000)
        world.live(30)
        world.settle()
        world.archive()
        archiver = engine.archiver
        for settings, due in [(hour, True), (_roomy(hour), False)]:
            archiver.settings = settings
            archiver._jobs.collect()
            archiver.archived_lsn = 0
            assert archiver._is_due(archiver._started_ns + 2_000_000_000) is due
        assert archiver._is_due(archiver._started_ns + 3_600_000_000_001)
        assert not archiver._is_due(archiver._started_ns + 1000)


def _roomy(settings: EngineSettings) -> EngineSettings:
    return msgspec.structs.replace(settings, wal_retained_bytes_max=1 << 40)


# ---- trees


def test_trees() -> None:
    fs = CrashFs()
    for path in ("/t", "/t/a", "/t/a/b", "/t/c"):
        fs.make_directory(path)
    for path in ("/t/x", "/t/a/y", "/t/a/b/z"):
        fs.create(path).close()
    assert list(files_below(fs, "/t")) == ["a/b/z", "a/y", "x"]
    remove_tree(fs, "/t")
    assert not fs.exists("/t")
    remove_tree(fs, "/t")
