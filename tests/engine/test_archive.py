"""The log archive: complete under all circumstances, and restores to any moment of it."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from kiwi_engine.engine.archive.format import DRAFT, encode_header, spans_among
from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.restore.restore import RestoreOrder
from kiwi_engine.engine.restore.until import Until
from kiwi_engine.errors import ArchiveError, BackupError, CorruptionError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FailAt, Fault, Operation
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.backup_world import BackupWorld, found_in, judge_prefix, restore
from tests.engine.model import NUMBER, History, Life, tiny_settings
from tests.engine.stepped import tiny_steps

IDENTITY = "5" * 32


def world(seed: int, fs: CrashFs | None = None) -> BackupWorld:
    settings = msgspec.structs.replace(
        tiny_settings(Random(seed)), archive_directory="/archive", archive_interval_ns=0
    )
    return BackupWorld(seed, settings, fs)


def finished(seed: int) -> BackupWorld:
    """A world with a backup in its first third, closed, and archived to its end."""
    made = world(seed)
    made.live(40)
    made.back_up()
    assert made.life.engine.backups.failure == ""
    made.live(80)
    made.life.close()
    return made


def restored_at(made: BackupWorld, until: Until, target: str = "/restored") -> tuple[int, int]:
    """(last LSN, last request) of a restore that goes so far."""
    order = RestoreOrder(source="/backup", target=target, archive="/archive", until=until)
    report, index = restore(made.fs, order, made.settings)
    plain = msgspec.structs.replace(made.settings, archive_directory="")
    life = found_in(made.fs, target, index, plain)
    assert life.engine.opened.log.next_lsn == report.last_lsn + 1
    found = judge_prefix(life, made.history, at_least=0)
    life.close()
    return report.last_lsn, found


@pytest.mark.parametrize("seed", range(12))
def test_base_and_archive_give_everything_that_was_acknowledged(seed: int) -> None:
    with tiny_steps():
        made = finished(seed)
        archive = Archive(made.fs, "/archive")
        assert archive.last_lsn == made.life.engine.pipeline.durable_lsn
        assert made.life.engine.archiver.facts().lag == 0
        last_lsn, found = restored_at(made, Until())
        assert (last_lsn, found) == (archive.last_lsn, made.life.current)


def test_what_was_archived_first_outlives_a_power_failure() -> None:
    with tiny_steps():
        made = world(7)
        while not made.life.engine.archiver.facts().bytes_written:
            made.live(1)
            made.life.engine.archiver._jobs.run_one()  # type: ignore[attr-defined]
        survivor = Archive(made.fs.crash(1, 0.0), "/archive")
        assert survivor.last_lsn == made.life.engine.archiver.archived_lsn > 0


def test_a_file_whose_name_could_not_be_synced_is_not_archived_twice() -> None:
    with tiny_steps():
        made = world(7)
        made.live(20)
        made.settle()
        fault = FailAt(1, Fault(5), kinds=frozenset({"sync-directory"}))
        archiver = made.life.engine.archiver
        made.fs.watch = fault
        while not fault.fired:
            archiver.maintain()
            archiver._jobs.run_one()  # type: ignore[attr-defined]
        made.fs.watch = None
        assert archiver.last_error
        made.live(20)
        made.life.close()
        assert archiver.last_error == ""
        assert Archive(made.fs, "/archive").last_lsn == made.life.engine.pipeline.durable_lsn


@pytest.mark.parametrize("seed", range(2))
def test_every_moment_since_the_backup_can_be_restored(seed: int) -> None:
    with tiny_steps():
        made = finished(seed)
        records = list(Archive(made.fs, "/archive").records(IDENTITY, 1))
        wanted = 0
        for record in records:
            number = record.changes.entries.get(NUMBER)
            wanted = int(number) if isinstance(number, bytes) else wanted
            target = f"/at-{record.lsn}"
            try:
                found = restored_at(made, Until(lsn=record.lsn), target)
            except BackupError as error:
                assert "takes a backup made before that" in str(error)
                continue
            assert found == (record.lsn, wanted)
            by_time = restored_at(
                made, Until(time_ms=record.changes.committed_ms), f"/then-{record.lsn}"
            )
            assert by_time == found
        with pytest.raises(BackupError, match=f"ends at LSN {records[-1].lsn}"):
            restored_at(made, Until(lsn=records[-1].lsn + 1))


@pytest.mark.parametrize("seed", range(12))
def test_a_crash_leaves_no_hole(seed: int) -> None:
    """The power fails anywhere, as a rule while something is archived; the next life goes on."""
    with tiny_steps():
        made = world(seed)
        made.live(20)
        made.back_up()
        assert made.life.engine.backups.failure == ""
        cuts: list[tuple[CrashFs, MemoryIndex, History]] = []

        def cut(operation: Operation) -> None:
            if operation.path.startswith("/archive") or made.random.random() < 0.02:
                keep = made.random.choice([0.0, 0.4, 1.0])
                fs = made.fs.crash(made.random.getrandbits(32), keep)
                cuts.append((fs, made.index.crash(), made.history.copy()))

        made.fs.watch = cut
        made.live(60)
        made.fs.watch = None
        for fs, index, history in made.random.sample(cuts, min(6, len(cuts))):
            go_on_after_crash(made, fs, index, history)


def go_on_after_crash(made: BackupWorld, fs: CrashFs, index: MemoryIndex, history: History) -> None:
    index.files = fs
    again = BackupWorld.__new__(BackupWorld)
    again.random, again.fs, again.settings = Random(1), fs, made.settings
    again.index = index
    again.life = Life(fs, index, made.settings, history)
    again.history = history = again.life.history = history.as_found(again.life)
    history.last = again.life.current
    again.live(30)
    again.life.close()
    assert DRAFT not in fs.list_directory("/archive")
    assert Archive(fs, "/archive").last_lsn == again.life.engine.pipeline.durable_lsn
    _, found = restored_at(again, Until())
    assert found == again.life.current


@pytest.mark.parametrize("seed", range(12))
def test_trouble_with_the_archive_stops_no_write_and_loses_nothing(seed: int) -> None:
    with tiny_steps():
        made = world(seed)
        made.live(20)
        made.back_up()
        fault = FailAt(made.random.randint(1, 5), Fault(28), lasting=True)

        def only_the_archive(operation: Operation) -> Fault | None:
            return fault(operation) if operation.path.startswith("/archive") else None

        made.fs.watch = only_the_archive
        made.live(60)
        made.settle()
        engine = made.life.engine
        engine.maintain()
        made.archive()
        facts = engine.archiver.facts()
        assert fault.fired
        assert facts.failures
        assert "No space left" in facts.last_error
        assert engine.refusal is None
        oldest = engine.opened.log.facts().oldest_lsn
        assert oldest <= facts.archived_lsn + 1, "what is not archived is still in the log"
        made.fs.watch = None
        made.live(20)
        made.life.close()
        assert engine.archiver.facts().last_error == ""
        assert restored_at(made, Until())[1] == made.life.current


def reopened(made: BackupWorld, settings: object = None) -> Life:
    index = MemoryIndex(made.index.durable)
    index.files = made.fs
    return Life(made.fs, index, settings or made.settings, made.history)  # type: ignore[arg-type]


def test_an_archive_that_cannot_be_continued_is_refused() -> None:
    with tiny_steps():
        made = finished(3)
        files = made.fs.files()
        last = spans_among(made.fs.list_directory("/archive"))[-1]
        path = f"/archive/{last.name}"
        made.fs.overwrite(path, encode_header("6" * 32, last.first_lsn) + files[path][40:])
        with pytest.raises(ArchiveError, match="another data directory"):
            reopened(made)
        made.fs.overwrite(path, files[path])
        made.fs.remove(path)
        without = msgspec.structs.replace(made.settings, archive_directory="")
        life = reopened(made, without)
        made.index = life.index
        for _ in range(60):
            life.request([("put", b"a1", b"more" * 20)])
            life.pipeline.step()
            life.engine.maintain()
            life.jobs.run_one()
        life.close()
        with pytest.raises(ArchiveError, match="the records between are gone"):
            reopened(made)
        beyond = life.engine.opened.log.next_lsn
        made.fs.create(f"/archive/{last._replace(last_lsn=beyond).name}").close()
        made.fs.overwrite(f"/archive/{last._replace(last_lsn=beyond).name}", files[path])
        with pytest.raises(ArchiveError, match="an old copy of the data directory"):
            reopened(made)


def test_an_archive_of_a_copy_that_went_another_way_is_refused() -> None:
    with tiny_steps():
        made = world(3)
        made.live(30)
        made.settle()
        made.life.engine.maintain()
        made.archive()
        fs, index = made.fs.restart(), made.index.crash()
        made.live(60)
        made.life.close()
        for path, content in made.fs.files().items():
            if path.startswith("/archive/") and not fs.exists(path):
                fs.create(path).close()
                fs.overwrite(path, content)
        # The copy does not see the archive while it goes its own way.
        without = msgspec.structs.replace(
            made.settings, archive_directory="", wal_retained_bytes_max=1 << 40
        )
        index.files = fs
        copy = Life(fs, index, without, made.history.copy())
        archived = Archive(fs, "/archive").last_lsn
        while copy.engine.opened.log.synced_lsn <= archived:
            copy.request([("put", b"a1", b"more" * 5)])
            copy.pipeline.want_sync()
            copy.pipeline.step()
            copy.engine.maintain()
            copy.jobs.run_one()
        survivor = fs.restart(), copy.index.crash()
        survivor[1].files = survivor[0]
        with pytest.raises(ArchiveError, match="have gone different ways"):
            Life(*survivor, made.settings, made.history.copy())


def test_a_hole_in_the_archive_is_refused() -> None:
    with tiny_steps():
        made = finished(5)
        spans = spans_among(made.fs.list_directory("/archive"))
        made.fs.remove(f"/archive/{spans[len(spans) // 2].name}")
        with pytest.raises(ArchiveError, match="the next file is"):
            restored_at(made, Until())


def test_each_flipped_byte_of_an_archive_is_found() -> None:
    with tiny_steps():
        made = finished(1)
        spans = spans_among(made.fs.list_directory("/archive"))
        path = f"/archive/{spans[-1].name}"
        content = made.fs.files()[path]
        for at in range(len(content)):
            damaged = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]
            made.fs.overwrite(path, damaged)
            with pytest.raises((CorruptionError, ArchiveError)):
                list(Archive(made.fs, "/archive").records(IDENTITY, 1))
        for wrong in (content[:-1], content + b"\0", content[:39], b""):
            made.fs.overwrite(path, wrong)
            with pytest.raises(CorruptionError):
                list(Archive(made.fs, "/archive").records(IDENTITY, 1))
