"""Backups and restores of stepped engines, on a disk that can lose power.

While a backup is taken the engine goes on: between two slices of a copy, and between the steps of a
checkpoint, anything happens that other threads could do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

import msgspec

from kiwi_engine.clock import wall_ms
from kiwi_engine.engine.backup import checkpoint
from kiwi_engine.engine.backup import file_copy as backup_copy
from kiwi_engine.engine.backup import job as backup
from kiwi_engine.engine.backup.job import BackupJob, BackupOrder
from kiwi_engine.engine.inspection.progress import Silent
from kiwi_engine.engine.restore.restore import Restore, RestoreOrder, RestoreReport
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.state import STATE_KEY, IndexState, decode_state
from kiwi_engine.index.protocol import Index
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.model import History, Life, check_store, number_in, tally
from tests.engine.stepped import run_one, stepped_threads
from tests.engine.steps import step


class ImageIndex:
    """An `IndexAccess` over the checkpoints that `MemoryIndex` makes."""

    def __init__(self, fs: CrashFs) -> None:
        self._fs = fs
        self.opened = MemoryIndex()

    def read_state(self, path: str, settings: EngineSettings) -> IndexState:
        return decode_state(MemoryIndex.from_checkpoint(self._fs, path).get(STATE_KEY))

    def open(self, path: str, settings: EngineSettings) -> Index:
        self.opened = MemoryIndex.from_checkpoint(self._fs, path)
        return self.opened


class BackupWorld:
    """One life of an engine over `/data`, and what is made of it."""

    def __init__(self, seed: int, settings: EngineSettings, fs: CrashFs | None = None) -> None:
        self.random = Random(seed)
        self.fs = fs or CrashFs()
        self.settings = settings
        self.index = MemoryIndex()
        self.index.files = self.fs
        self.history = History()
        self.life = Life(self.fs, self.index, settings, self.history)
        self._busy = False
        self._long: list[int] = []

    def live(self, steps: int) -> None:
        """Let requests, commits, drains and jobs happen."""
        for _ in range(steps):
            step(self.life, self.random)
            if self.random.random() < 0.2:
                self.archive()

    def archive(self) -> None:
        """Have the archiver do what it has begun."""
        run_one(self.life.engine.archiver._jobs)

    def settle(self) -> None:
        """Have everything submitted so far durable."""
        self.life.pipeline.want_sync()
        while self.life.pipeline.step():
            pass

    def meanwhile(self) -> None:
        """What other threads do while a background thread is busy."""
        if not self._busy:
            self._busy = True
            self.live(self.random.choice(self._long or [0, 0, 1, 3]))
            # Once a backup there is time for a drain, or for a segment to be collected.
            self._long = []
            self._busy = False

    def back_up(self, target: str = "/backup", *, incremental: bool = False) -> None:
        """Start a backup and run it to its end; `engine.backup.backups` tells how it went."""
        backups = self.life.engine.backups
        backups.start(BackupOrder(target=target, incremental=incremental))
        self._long = [0, 30, 150]
        self.run_backup()

    def run_backup(self) -> None:
        backups = self.life.engine.backups
        with interleaved(self.meanwhile):
            while backups.in_progress:
                self.life.pipeline.step()
                self.life.jobs.run_one()
                self.life.engine.maintain()
                run_one(backups._jobs)


@contextmanager
def interleaved(meanwhile: Callable[[], None]) -> Iterator[None]:
    """Let `meanwhile` happen wherever a backup gives others the time for it."""
    pace = BackupJob._pace

    def paced(job: BackupJob, slice_bytes: int) -> None:
        meanwhile()
        pace(job, slice_bytes)

    def timed() -> int:
        meanwhile()
        return wall_ms()

    with (
        patch.object(backup.BackupJob, "_pace", paced),
        patch.object(checkpoint, "wall_ms", timed),
        patch.object(backup_copy, "SLICE_BYTES", 40),
    ):
        yield


def restore(
    fs: CrashFs, order: RestoreOrder, settings: EngineSettings, access: ImageIndex | None = None
) -> tuple[RestoreReport, MemoryIndex]:
    """Restore as `kiwi-engine restore` does; the index is that of the new directory."""
    access = access or ImageIndex(fs)
    # Room for everything: a full engine would wait for threads that it has none of.
    roomy = msgspec.structs.replace(
        settings, pending_bytes_max=1 << 30, wal_retained_bytes_max=1 << 30
    )
    with stepped_threads():
        report = Restore(fs, order, roomy, tally, Silent(), access).run()
    return report, access.opened


def found_in(fs: CrashFs, directory: str, index: MemoryIndex, settings: EngineSettings) -> Life:
    """The restored directory, opened at its new place."""
    opened = MemoryIndex(index.durable)
    with patch("tests.engine.stepped.DIRECTORY", directory):
        return Life(fs, opened, settings, History())


def judge_prefix(life: Life, history: History, *, at_least: int) -> int:
    """The state is exactly that after one request, `at_least` or a later one; returns which."""
    found = number_in(life.engine.store)
    assert found in history.states, f"request {found} was never made"
    assert found >= at_least, f"request {at_least} was acknowledged before, {found} is the last"
    check_store(life.engine.store, history.states[found])
    return found
