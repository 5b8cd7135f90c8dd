"""Crashes at every operation of a run of the logs, and what is left is recovered and judged."""

from __future__ import annotations

from random import Random
from typing import Final

from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import LosePowerAt, Operation, PowerLossError
from tests.sweeps.logs import Entries, Logs, Shape, make_directories, recover_and_judge

KEEP_SHARES: Final = (0.0, 0.3, 1.0)


class Sweep:
    """One seeded run of several process lives. `crashes` counts the states that were judged.

    Before every `every`-th operation the disk is cut off in each of the ways of `KEEP_SHARES`,
    with and without torn sectors, and the remains are judged; the run itself goes on. Now and then
    the recovery of the remains loses its power, too.
    """

    def __init__(self, seed: int, every: int, shape: Shape | None = None) -> None:
        self.random = Random(seed)
        self.every = every
        self.crashes = 0
        self.sector_bytes = self.random.choice([8, 32, 64]) if shape is None else 64
        self.shape = shape or Shape.choose(self.random)
        self.submitted: dict[int, Entries] = {}
        self.logs: Logs | None = None

    def run(self, lives: int, steps: int) -> None:
        fs = CrashFs(sector_bytes=self.sector_bytes)
        make_directories(fs)
        for _ in range(lives):
            released = self.logs.released if self.logs else 0
            self.logs = Logs(fs, self.shape, self.submitted, released)
            fs.watch = self._before
            for _ in range(steps):
                self.logs.step(self.random)
            if self.random.random() < 0.3:
                self.logs.close()
            fs.watch = None
            fs = self._next_life(fs)

    def _next_life(self, fs: CrashFs) -> CrashFs:
        """What the next process finds: the last one was killed, or the power failed."""
        if self.random.random() < 0.3:
            return fs.restart()
        return fs.crash(self.random.getrandbits(32), self.random.choice(KEEP_SHARES))

    def _before(self, operation: Operation) -> None:
        if operation.number % self.every:
            return
        logs = self.logs
        assert logs is not None
        for keep in KEEP_SHARES:
            torn = self.random.random() < 0.5
            survivor = logs.fs.crash(self.random.getrandbits(32), keep, torn=torn)
            if self.random.random() < 0.2:
                survivor = self._crash_recovery(survivor, keep)
            recover_and_judge(
                survivor,
                self.shape,
                self.submitted,
                logs.acked,
                logs.released,
                thorough=self.random.random() < 0.25,
            )
            self.crashes += 1

    def _crash_recovery(self, fs: CrashFs, keep: float) -> CrashFs:
        """The power fails again while the remains are recovered."""
        fs.watch = LosePowerAt(self.random.randint(1, 12))
        try:
            Logs(fs, self.shape, dict(self.submitted), self.logs.released if self.logs else 0)
        except PowerLossError:
            self.crashes += 1
            return fs.crash(self.random.getrandbits(32), keep)
        fs.watch = None
        return fs
