"""Each operation on the disk fails in turn: it ends in poison or a refusal, never in a lie.

Reads are checked all the time, replies are believed, and after a restart everything that was
acknowledged is there. `FAULT_SWEEP_SEEDS=first[-last]` runs other seeds.
"""

from __future__ import annotations

import os
from random import Random

import msgspec
import pytest

from kiwi_engine.engine.backup.job import BackupOrder, BackupReport
from kiwi_engine.engine.backup.manifest import MANIFEST
from kiwi_engine.engine.restore.restore import RestoreOrder
from kiwi_engine.errors import DiskFullError, EnginePoisonedError, KiwiError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FAULTS, FailAt, Fault
from tests.engine.backup_world import found_in, judge_prefix, restore
from tests.engine.model import History, Life, check_recovered, tiny_settings
from tests.engine.stepped import run_one, tiny_steps
from tests.engine.steps import COLLECTING, EVERYTHING, step
from tests.engine.sweep import collecting
from tests.engine.watched_index import WatchedIndex

STEPS = 30
COPY_STEPS = 150
FAULTS_A_SEED = 40


def _seeds() -> list[int]:
    first, _, last = os.environ.get("FAULT_SWEEP_SEEDS", "1-4").partition("-")
    return list(range(int(first), int(last or first) + 1))


class FaultRun:
    """The same seeded life each time, with another operation failing.

    With `copies` values are collected, the log is archived and backups are made, too.
    """

    def __init__(self, seed: int, *, copies: bool) -> None:
        self.random = Random(seed)
        self.settings = tiny_settings(self.random)
        self.mix = COLLECTING if copies else EVERYTHING
        if copies:
            self.settings = msgspec.structs.replace(
                collecting(self.settings, self.random),
                archive_directory="/archive",
                archive_interval_ns=0,
            )
        self.copies = copies
        self.history = History()
        self.fs = CrashFs()
        self.index = WatchedIndex(self.fs)
        self.was_poisoned = False
        # The last backup that was made in full, and what was durable when it was ordered.
        self.made: BackupReport | None = None
        self.ordered = self.promised = 0

    def run(self, fault: Fault, at: int, *, lasting: bool) -> FailAt:
        self.fs.watch = plan = FailAt(at, fault, lasting=lasting)
        try:
            life = Life(self.fs, self.index, self.settings, self.history)
        except (OSError, KiwiError):
            return plan
        for _ in range(COPY_STEPS if self.copies else STEPS):
            if not self.copies or not self._step_copies(life):
                step(life, self.random, self.mix)
            self._check_refusal(life)
        try:
            if self.random.random() < 0.5:
                life.close()
        except (OSError, KiwiError):
            pass
        return plan

    def _step_copies(self, life: Life) -> bool:
        """What the threads of backups and of the archiver do; False if it is not their turn."""
        backups, archiver, choice = life.engine.backups, life.engine.archiver, self.random.random()
        if choice < 0.03 and not backups.in_progress:
            # What relaxed syncs have acknowledged besides may be lost by the next one.
            self.ordered = self.history.synced
            backups.start(BackupOrder(target="/backup", incremental=True))
        elif choice < 0.1:
            run_one(backups._jobs)
        elif choice < 0.15:
            run_one(archiver._jobs)
        if backups.last is not self.made:
            self.made, self.promised = backups.last, self.ordered
        return choice < 0.15

    def _check_refusal(self, life: Life) -> None:
        refusal = life.engine.refusal
        assert refusal is None or isinstance(refusal, DiskFullError | EnginePoisonedError)
        poisoned = isinstance(refusal, EnginePoisonedError)
        assert poisoned or not self.was_poisoned, "poison is final"
        self.was_poisoned = poisoned

    def check_restart(self) -> None:
        """What is left is opened without a fault, by a killed process' successor or after more."""
        self.fs.watch = None
        keep = self.random.choice([0.0, 0.3, 1.0, None])
        fs = self.fs.restart() if keep is None else self.fs.crash(self.random.getrandbits(32), keep)
        kept = self.random.randint(0, self.index.unflushed_batches)
        before = self.history.copy()
        life = Life(fs, self.index.crash(kept), self.settings, before.copy())
        # With relaxed syncs a failed one loses what it was to write, power failure or not.
        check_recovered(life, before, lower_bound=before.synced)
        if fs.exists(f"/backup/{MANIFEST}"):
            self._check_backup(fs)
        else:
            assert self.made is None, "a backup that was made is there"

    def _check_backup(self, fs: CrashFs) -> None:
        """The trouble of a later backup does no harm to the one before."""
        order = RestoreOrder(source="/backup", target="/restored")
        index = restore(fs, order, self.settings)[1]
        plain = msgspec.structs.replace(self.settings, archive_directory="")
        life = found_in(fs, "/restored", index, plain)
        judge_prefix(life, self.history, at_least=self.promised)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", _seeds())
@pytest.mark.parametrize("copies", [False, True])
def test_every_failing_operation_ends_well(copies: bool, seed: int, name: str) -> None:
    fired = 0
    with tiny_steps():
        operations = _count_operations(seed, copies)
        for at in range(1, operations + 1, max(1, operations // FAULTS_A_SEED)):
            run = FaultRun(seed, copies=copies)
            try:
                fired += run.run(FAULTS[name], at, lasting=at % 2 == 0).fired
                run.check_restart()
            except BaseException as failure:
                failure.add_note(f"operation {at}; FAULT_SWEEP_SEEDS={seed} pytest -k {name}")
                raise
    assert fired > 5


def _count_operations(seed: int, copies: bool) -> int:
    run = FaultRun(seed, copies=copies)
    run.run(FAULTS["eio"], 1 << 30, lasting=False)
    return run.fs.operations
