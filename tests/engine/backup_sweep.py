"""Crashes while backups are taken, the log is archived and a backup is restored.

At every `every`-th operation the disk is cut off as in the other sweeps. Then the data directory is
recovered, and what is left of the backup and of the archive is restored and judged.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kiwi_engine.commit.pipeline import SyncMode
from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.backup.job import BackupOrder, BackupReport
from kiwi_engine.engine.backup.manifest import MANIFEST
from kiwi_engine.engine.backup.target import read_manifest
from kiwi_engine.engine.restore.restore import RestoreOrder
from kiwi_engine.engine.restore.until import Until
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import Operation
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.backup_world import (
    ImageIndex,
    found_in,
    interleaved,
    judge_prefix,
    restore,
)
from tests.engine.model import Life, expect
from tests.engine.stepped import run_one, tiny_steps
from tests.engine.steps import step
from tests.engine.sweep import POWER, CollectionSweep
from tests.engine.views import Views
from tests.sweeps.judged import judging

BACKUP: Final = "/backup"
ARCHIVE: Final = "/archive"


class BackupSweep(CollectionSweep):
    """Backups, incremental but for the first, of a directory whose values are collected meanwhile.

    Every second one or so has an archive of its log, too.
    """

    def __init__(self, seed: int, every: int, sync_mode: SyncMode | None = None) -> None:
        super().__init__(seed, every, sync_mode)
        if self.random.random() < 0.6:
            self.settings = msgspec.structs.replace(
                self.settings, archive_directory=ARCHIVE, archive_interval_ns=0
            )
        # The last backup that was made in full, and what was acknowledged when it was ordered.
        self._made: BackupReport | None = None
        self._promised = 0
        self._ordered = 0
        self.backups = 0
        self._share = 0.0
        # The last record that the archiver has called archived.
        self._archived_lsn = 0
        self._current: tuple[Life, Views] | None = None

    def run(self, lives: int, steps: int) -> None:
        with interleaved(self._meanwhile):
            super().run(lives, steps)

    def step(self, life: Life, views: Views) -> None:
        backups, archiver, choice = life.engine.backups, life.engine.archiver, self.random.random()
        if choice < 0.03 and not backups.in_progress:
            self._ordered = self.history.acknowledged
            backups.start(BackupOrder(target=BACKUP, incremental=True))
        elif choice < 0.1:
            self._current = life, views
            run_one(backups._jobs)
            self._current = None
        elif choice < 0.15:
            run_one(archiver._jobs)
        else:
            super().step(life, views)
        expect("trouble with the backup", backups.failure, "")
        expect("trouble with the archive", archiver.last_error, "")
        if archiver.facts().bytes_written:
            self._archived_lsn = archiver.archived_lsn
        if backups.last is not None and backups.last is not self._made:
            self._made, self._promised = backups.last, self._ordered
            self.backups += 1
            self._judge_copies(self._fs.restart())

    def _meanwhile(self) -> None:
        """What other threads do while the thread of the backup is between two steps."""
        if self._current is not None:
            (life, views), self._current = self._current, None
            for _ in range(self.random.choice([0, 0, 1, 3])):
                step(life, self.random, self.mix, views)
            self._current = life, views

    # ---- crashes

    def before(self, operation: Operation) -> None:
        """Other threads may get in between two operations of a backup, too."""
        if self.random.random() < 0.2:
            self._meanwhile()
        # Restoring costs much more than recovering: mostly where it could have changed.
        self._share = 0.5 if operation.path.startswith((BACKUP, ARCHIVE)) else 0.03
        super().before(operation)

    def judge(self, fs: CrashFs, index: MemoryIndex, lower_bound: int) -> None:
        known = self.judged.count
        archive_lsn = Archive(fs, ARCHIVE).last_lsn
        expect("what was archived is there", archive_lsn >= self._archived_lsn, True)
        copies = fs.restart() if self.random.random() < self._share else None
        super().judge(fs, index, lower_bound)
        if copies is not None and self.judged.count > known:
            self._judge_copies(copies)

    def _judge_copies(self, fs: CrashFs) -> None:
        """The backup that is there holds what was promised, or there was none in full."""
        if not fs.exists(f"{BACKUP}/{MANIFEST}"):
            expect("there is a backup", False, self._made is not None)
            return
        found = self._restored(fs, RestoreOrder(source=BACKUP, target="/restored"))
        expect("the backup is new enough", found >= self._promised, True)
        if not self._archived_lsn:
            return
        backup_lsn = read_manifest(fs, BACKUP).last_lsn
        archive_lsn = Archive(fs, ARCHIVE).last_lsn
        until = Until(lsn=self.random.randint(backup_lsn, max(archive_lsn, backup_lsn)))
        between = self._restored(fs, _with_archive("/between", until))
        last = self._restored(fs, _with_archive("/last", Until()))
        expect("states in order", found <= between <= last <= self.history.last, True)

    def _restored(self, fs: CrashFs, order: RestoreOrder) -> int:
        """The request that the restored directory is after."""
        report, index = restore(fs, order, self.settings)
        life = self._opened(fs, order, index)
        expect("the next LSN", life.engine.opened.log.next_lsn, report.last_lsn + 1)
        return judge_prefix(life, self.history, at_least=0)

    def _opened(self, fs: CrashFs, order: RestoreOrder, index: MemoryIndex) -> Life:
        # A restored directory is of another identity: it would begin an archive of its own.
        settings = msgspec.structs.replace(self.settings, archive_directory="")
        return found_in(fs, order.target, index, settings)


class RestoreSweep(BackupSweep):
    """The power fails at each operation of a restore: there is all of the directory, or nothing."""

    def __init__(self, seed: int, sync_mode: SyncMode | None = None) -> None:
        super().__init__(seed, every=1 << 60, sync_mode=sync_mode)

    def run(self, lives: int, steps: int) -> None:
        super().run(lives, steps)
        if self._fs.exists(f"{BACKUP}/{MANIFEST}"):
            with tiny_steps():
                self._sweep(RestoreOrder(source=BACKUP, target="/restored"))
                if self.settings.archive_directory and self._fs.exists(ARCHIVE):
                    self._sweep(_with_archive("/restored", Until()))

    def _sweep(self, order: RestoreOrder) -> None:
        wanted = self._restored(self._fs.restart(), order)
        fs = self._fs.restart()
        access = ImageIndex(fs)
        fs.watch = lambda operation: self._judge_each_loss(fs, access, order, wanted)
        restore(fs, order, self.settings, access)
        fs.watch = None
        self._judge_each_loss(fs, access, order, wanted)
        expect("the restored directory is durable", fs.crash(0, 0.0).exists(order.target), True)

    def _judge_each_loss(
        self, fs: CrashFs, access: ImageIndex, order: RestoreOrder, wanted: int
    ) -> None:
        random = self.random
        with judging():
            for keep in POWER:
                survivor = fs.crash(random.getrandbits(32), keep, torn=random.random() < 0.5)
                index = access.opened.crash(random.randint(0, access.opened.unflushed_batches))
                if self.judged.is_new(survivor.fingerprint(), index.fingerprint()):
                    found = self._request_in(survivor, order, index)
                    expect("the restored request", found, wanted)

    def _request_in(self, fs: CrashFs, order: RestoreOrder, index: MemoryIndex) -> int:
        """What is there; if nothing is, what the next attempt makes."""
        if not fs.exists(order.target):
            return self._restored(fs, order)
        life = self._opened(fs, order, index)
        return judge_prefix(life, self.history, at_least=0)


def _with_archive(target: str, until: Until) -> RestoreOrder:
    return RestoreOrder(source=BACKUP, target=target, archive=ARCHIVE, until=until)
