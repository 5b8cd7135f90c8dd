"""Each operation on the disk fails in turn: it ends in poison or a refusal, never in a lie.

Reads are checked all the time, replies are believed, and after a restart everything that was
acknowledged is there. `FAULT_SWEEP_SEEDS=first[-last]` runs other seeds.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from kiwi_engine.errors import DiskFullError, EnginePoisonedError, KiwiError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import FAULTS, FailAt, Fault
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.model import History, Life, check_recovered, tiny_settings
from tests.engine.stepped import tiny_steps
from tests.engine.sweep import EngineSweep

STEPS = 30
FAULTS_A_SEED = 40


def _seeds() -> list[int]:
    first, _, last = os.environ.get("FAULT_SWEEP_SEEDS", "1-4").partition("-")
    return list(range(int(first), int(last or first) + 1))


class FaultRun:
    """The same seeded life each time, with another operation failing."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.settings = tiny_settings(self.random)
        self.history = History()
        self.fs = CrashFs()
        self.index = MemoryIndex()
        self.was_poisoned = False

    def run(self, fault: Fault, at: int, *, lasting: bool) -> FailAt:
        self.fs.watch = plan = FailAt(at, fault, lasting=lasting)
        try:
            life = Life(self.fs, self.index, self.settings, self.history)
        except (OSError, KiwiError):
            return plan
        for _ in range(STEPS):
            EngineSweep.step(life, self.random)
            self._check_refusal(life)
        try:
            if self.random.random() < 0.5:
                life.close()
        except (OSError, KiwiError):
            pass
        return plan

    def _check_refusal(self, life: Life) -> None:
        refusal = life.engine.refusal
        assert refusal is None or isinstance(refusal, DiskFullError | EnginePoisonedError)
        poisoned = isinstance(refusal, EnginePoisonedError)
        assert poisoned or not self.was_poisoned, "poison is final"
        self.was_poisoned = poisoned

    def check_restart(self) -> None:
        """What is left is opened without a fault, by a killed process' successor or after more."""
        keep = self.random.choice([0.0, 0.3, 1.0, None])
        fs = self.fs.restart() if keep is None else self.fs.crash(self.random.getrandbits(32), keep)
        kept = self.random.randint(0, self.index.unflushed_batches)
        before = self.history.copy()
        life = Life(fs, self.index.crash(kept), self.settings, before.copy())
        # With relaxed syncs a failed one loses what it was to write, power failure or not.
        check_recovered(life, before, lower_bound=before.synced)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", _seeds())
def test_every_failing_operation_ends_well(seed: int, name: str) -> None:
    fired = 0
    with tiny_steps():
        operations = _count_operations(seed)
        for at in range(1, operations + 1, max(1, operations // FAULTS_A_SEED)):
            run = FaultRun(seed)
            try:
                fired += run.run(FAULTS[name], at, lasting=at % 2 == 0).fired
                run.check_restart()
            except BaseException as failure:
                failure.add_note(f"operation {at}; FAULT_SWEEP_SEEDS={seed} pytest -k {name}")
                raise
    assert fired > 5


def _count_operations(seed: int) -> int:
    run = FaultRun(seed)
    run.run(FAULTS["eio"], 1 << 30, lasting=False)
    return run.fs.operations
