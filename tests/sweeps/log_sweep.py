"""Crashes at every operation of a run of the logs, and what is left is recovered and judged."""

from __future__ import annotations

from random import Random
from typing import Final

from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import LosePowerAt, Operation, PowerLossError
from tests.sweeps.judged import Judged, judging
from tests.sweeps.logs import (
    Entries,
    Logs,
    Shape,
    make_directories,
    recover_again,
    recover_and_judge,
)

KEEP_SHARES: Final = (0.0, 0.3, 1.0)


class LogSweep:
    """One seeded run of several process lives. `judged` counts the states that were judged.

    Before every `every`-th operation the disk is cut off in each of the ways of `KEEP_SHARES`,
    with or without torn sectors, and the remains are judged; the run itself goes on. Now and then
    the recovery of the remains loses its power, too.
    """

    def __init__(self, seed: int, every: int, shape: Shape | None = None) -> None:
        self.random = Random(seed)
        self.every = every
        self.judged = Judged()
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
        if operation.number % self.every == 0:
            with judging():
                self._crash_now()

    def _crash_now(self) -> None:
        logs = self.logs
        assert logs is not None
        for keep in KEEP_SHARES:
            torn = self.random.random() < 0.5
            survivor = logs.fs.crash(self.random.getrandbits(32), keep, torn=torn)
            if self.random.random() < 0.2:
                survivor = self._crash_recovery(survivor, keep)
            thorough = self.random.random() < 0.25
            if self.judged.is_new(survivor.fingerprint(), logs.acked, logs.released):
                self._judge(survivor, logs, thorough)

    def _judge(self, survivor: CrashFs, logs: Logs, thorough: bool) -> None:
        promises = self.shape, self.submitted, logs.acked, logs.released
        recovered = recover_and_judge(survivor, *promises)
        if thorough:
            self.judged.is_new(recover_again(recovered), logs.acked, logs.released)

    def _crash_recovery(self, fs: CrashFs, keep: float) -> CrashFs:
        """The power fails again while the remains are recovered."""
        fs.watch = LosePowerAt(self.random.randint(1, 12))
        try:
            Logs(fs, self.shape, dict(self.submitted), self.logs.released if self.logs else 0)
        except PowerLossError:
            return fs.crash(self.random.getrandbits(32), keep)
        fs.watch = None
        return fs
