"""Crashes at every operation of a running engine; what is left is recovered and judged.

The disk is a `CrashFs`, shared by both logs; the index is a `MemoryIndex`, of which a crash keeps
any number of unflushed batches, whatever it keeps of the logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import msgspec

from kiwi_engine.commit.pipeline import SyncMode
from kiwi_engine.index.protocol import Change as IndexChange
from kiwi_engine.index.protocol import KeyRange
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import LosePowerAt, Operation, PowerLossError
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.model import (
    History,
    Life,
    check_recovered,
    some_changes,
    tiny_settings,
)
from tests.engine.stepped import tiny_steps

# Shares of unsynced changes that survive a power failure; "killed": only the process ended.
POWER: Final = (0.0, 0.3, 1.0)
KILLED: Final = None


class WatchedIndex(MemoryIndex):
    """Calls `watch` before each batch: a crash between two slices of a drain is a state, too."""

    def __init__(self, durable: dict[bytes, bytes]) -> None:
        super().__init__(durable)
        self.watch = lambda: None

    def write(self, changes: list[IndexChange], ranges: list[KeyRange]) -> None:  # type: ignore[override]
        self.watch()
        super().write(changes, ranges)


class EngineSweep:
    """One seeded run of several lives of a directory. `crashes` counts the states judged.

    At every `every`-th operation on the disk or the index the directory is cut off in each way that
    a crash could leave it, and the remains are judged; the run itself goes on.
    """

    def __init__(self, seed: int, every: int, sync_mode: SyncMode | None = None) -> None:
        self.random = Random(seed)
        self.every = every
        self.crashes = 0
        self.settings = tiny_settings(self.random)
        if sync_mode:
            self.settings = msgspec.structs.replace(self.settings, sync_mode=sync_mode)
        self.history = History()
        self._operations = 0
        self._fs = CrashFs(sector_bytes=self.random.choice([8, 32, 64]))
        self._index = WatchedIndex({})

    def run(self, lives: int, steps: int) -> None:
        with tiny_steps():
            for _ in range(lives):
                self._live(steps)

    def _live(self, steps: int) -> None:
        random = self.random
        # Crashes while the directory is opened are judged against what was known before.
        self._fs.watch = self._before
        self._index.watch = self._crash_now
        life = self._open(self._fs, self._index, self.history)
        self.history.synced = life.current
        for _ in range(steps):
            self.step(life, random)
        if random.random() < 0.3:
            life.close()
        self._fs.watch = None
        keep = random.choice([*POWER, KILLED])
        self._fs, survivor = self._cut(keep)
        self._index = WatchedIndex(survivor.durable)
        self.history = self._after(keep)

    @staticmethod
    def step(life: Life, random: Random) -> None:
        """What happens next, in any thread."""
        choice = random.random()
        if choice < 0.5:
            life.request(some_changes(random))
        elif choice < 0.6:
            life.request([])
        elif choice < 0.75:
            life.pipeline.step()
        elif choice < 0.9:
            life.engine.maintain()
        else:
            life.jobs.run_one()
        if random.random() < 0.3:
            life.check_reads(random)

    def _open(self, fs: CrashFs, index: MemoryIndex, history: History) -> Life:
        return Life(fs, index, self.settings, history)

    # ---- crashes

    def _before(self, operation: Operation) -> None:
        self._crash_now()

    def _crash_now(self) -> None:
        self._operations += 1
        if self._operations % self.every:
            return
        for keep in (*POWER, KILLED):
            fs, index = self._cut(keep)
            lower_bound = self.history.acknowledged if keep is KILLED else self.history.synced
            if self.random.random() < 0.25:
                fs, index = self._crash_recovery(fs, index)
                lower_bound = self.history.synced
            self._judge(fs, index, lower_bound)
            self.crashes += 1

    def _cut(self, keep: float | None) -> tuple[CrashFs, MemoryIndex]:
        """Copies of disk and index as a crash would leave them now."""
        random, unflushed = self.random, self._index.unflushed_batches
        index = self._index.crash(random.choice([0, unflushed, random.randint(0, unflushed)]))
        if keep is KILLED:
            return self._fs.restart(), index
        torn = random.random() < 0.5
        return self._fs.crash(random.getrandbits(32), keep, torn=torn), index

    def _crash_recovery(self, fs: CrashFs, index: MemoryIndex) -> tuple[CrashFs, MemoryIndex]:
        """The power fails again while the remains are recovered."""
        fs.watch = LosePowerAt(self.random.randint(1, 25))
        try:
            self._open(fs, index, self.history.copy())
        except PowerLossError:
            pass
        self.crashes += 1
        kept = self.random.randint(0, index.unflushed_batches)
        return fs.crash(self.random.getrandbits(32), self.random.choice(POWER)), index.crash(kept)

    def _judge(self, fs: CrashFs, index: MemoryIndex, lower_bound: int) -> None:
        before = self.history.copy()
        life = self._open(fs, index, before.copy())
        check_recovered(life, before, lower_bound=lower_bound)
        if self.random.random() < 0.25:
            self._judge_thoroughly(life)

    def _judge_thoroughly(self, life: Life) -> None:
        """What recovery showed outlives the next crash, and the directory can be written to."""
        shown = life.history.as_found(life)
        again = self._open(life.fs.crash(0, 0.0), life.index.crash(), shown.copy())
        check_recovered(again, shown, lower_bound=life.current)
        assert again.current == life.current, "recovering twice gives what recovering once gave"
        for _ in range(self.random.randint(1, 6)):
            self.step(again, self.random)
        again.close()
        survivor = again.fs.crash(0, 0.0), MemoryIndex(again.index.durable)
        last = self._open(*survivor, again.history)
        check_recovered(last, again.history, lower_bound=again.current)
        assert last.current == again.current, "a close loses nothing and brings nothing back"

    def _after(self, keep: float | None) -> History:
        """What is known when the next life begins: what is found may be less than was submitted."""
        found = self._open(self._fs.restart(), self._index.crash(), self.history.copy())
        lower_bound = self.history.acknowledged if keep is KILLED else self.history.synced
        check_recovered(found, self.history, lower_bound=lower_bound)
        known = self.history.as_found(found)
        if keep is KILLED:
            # It may lie in the page cache alone, until the next opening is through.
            known.synced = self.history.synced
        return known


@contextmanager
def replayable(seed: int) -> Iterator[None]:
    """Name the seed of what fails inside."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"replay: ENGINE_SWEEP_SEEDS={seed} pytest tests/engine -k crash_sweep")
        raise
