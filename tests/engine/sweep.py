"""Crashes at every operation of a running engine; what is left is recovered and judged.

The disk is a `CrashFs`, shared by both logs; the index is a `MemoryIndex`, of which a crash keeps
any number of unflushed batches, whatever it keeps of the logs.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from kiwi_engine.commit.pipeline import SyncMode
from kiwi_engine.engine.settings import CollectionSettings, EngineSettings
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import LosePowerAt, Operation, PowerLossError
from kiwi_engine.testing.memory_index import MemoryIndex
from kiwi_engine.vlog.collection import CollectionLimits
from tests.engine.model import (
    History,
    Life,
    check_recovered,
    tiny_settings,
)
from tests.engine.stepped import tiny_steps
from tests.engine.steps import COLLECTING, EVERYTHING, step
from tests.engine.views import Views
from tests.engine.watched_index import WatchedIndex
from tests.sweeps.judged import Judged, judging

# Shares of unsynced changes that survive a power failure; "killed": only the process ended.
POWER: Final = (0.0, 0.3, 1.0)
KILLED: Final = None


class EngineSweep:
    """One seeded run of several lives of a directory. `judged` counts the states judged.

    At every `every`-th operation on the disk or the index the directory is cut off in each way that
    a crash could leave it, and the remains are judged; the run itself goes on.
    """

    mix = EVERYTHING

    def __init__(self, seed: int, every: int, sync_mode: SyncMode | None = None) -> None:
        self.random = Random(seed)
        self.every = every
        self.judged = Judged()
        # Value-log segments.
        self.collected = 0
        self.settings = tiny_settings(self.random)
        if sync_mode:
            self.settings = msgspec.structs.replace(self.settings, sync_mode=sync_mode)
        self.history = History()
        self._operations = 0
        self._fs = CrashFs(sector_bytes=self.random.choice([8, 32, 64]))
        self._index = MemoryIndex()

    def run(self, lives: int, steps: int) -> None:
        with tiny_steps():
            for _ in range(lives):
                self._live(steps)

    def _live(self, steps: int) -> None:
        random = self.random
        # Crashes while the directory is opened are judged against what was known before.
        self._fs.watch = self.before
        self._index = WatchedIndex(self._fs, self._index.durable)
        life = self._open(self._fs, self._index, self.history)
        self.history.synced = life.current
        views = Views(life)
        for _ in range(steps):
            self.step(life, views)
        self.collected += life.engine.collector.statistics.segments_collected
        if random.random() < 0.3:
            views.close()
            life.close()
        self._fs.watch = None
        keep = random.choice([*POWER, KILLED])
        self._fs, self._index = self._cut(keep)
        self.history = self._after(keep)

    def step(self, life: Life, views: Views) -> None:
        """One thing happens, in any thread."""
        step(life, self.random, self.mix, views)

    def _open(self, fs: CrashFs, index: MemoryIndex, history: History) -> Life:
        return Life(fs, index, self.settings, history)

    # ---- crashes

    def before(self, operation: Operation) -> None:
        """In front of each operation of the life that goes on."""
        self._operations += 1
        if self._operations % self.every:
            return
        with judging():
            for keep in (*POWER, KILLED):
                lower_bound = self.history.acknowledged if keep is KILLED else self.history.synced
                self.judge_remains(*self._cut(keep), lower_bound)

    def _cut(self, keep: float | None) -> tuple[CrashFs, MemoryIndex]:
        """Copies of disk and index as a crash would leave them now."""
        random, unflushed = self.random, self._index.unflushed_batches
        index = self._index.crash(random.choice([0, unflushed, random.randint(0, unflushed)]))
        if keep is KILLED:
            return self._fs.restart(), index
        torn = random.random() < 0.5
        return self._fs.crash(random.getrandbits(32), keep, torn=torn), index

    def judge_remains(self, fs: CrashFs, index: MemoryIndex, lower_bound: int) -> None:
        """What a crash left, of which requests up to `lower_bound` may not be lost."""
        if self.random.random() < 0.1:
            fs, index = self._after_second_crash(fs, index, self.random.randint(1, 25))
            lower_bound = self.history.synced
        self.judge(fs, index, lower_bound)

    def judge(self, fs: CrashFs, index: MemoryIndex, lower_bound: int) -> None:
        """Recover, unless these remains were judged already."""
        thorough = self.random.random() < 0.2
        if self.judged.is_new(fs.fingerprint(), index.fingerprint(), lower_bound):
            before = self.history.copy()
            life = self.recover(fs, index, before.copy())
            check_recovered(life, before, lower_bound=lower_bound)
            if thorough:
                self._judge_thoroughly(life)

    def recover(self, fs: CrashFs, index: MemoryIndex, history: History) -> Life:
        """Open what a crash left."""
        return self._open(fs, index, history)

    def _after_second_crash(
        self, fs: CrashFs, index: MemoryIndex, number: int
    ) -> tuple[CrashFs, MemoryIndex]:
        """The power fails again, in front of operation `number` of the recovery of the remains."""
        random, watched = self.random, WatchedIndex(fs, index.durable)
        fs.watch = LosePowerAt(number)
        try:
            self._open(fs, watched, self.history.copy())
        except PowerLossError:
            pass
        kept = random.randint(0, watched.unflushed_batches)
        return fs.crash(random.getrandbits(32), random.choice(POWER)), watched.crash(kept)

    def _judge_thoroughly(self, life: Life) -> None:
        """What recovery showed outlives the next crash, and the directory can be written to."""
        shown = life.history.as_found(life)
        again = self._judge_crash(life, shown)
        assert again.current == life.current, "recovering twice gives what recovering once gave"
        for _ in range(self.random.randint(1, 6)):
            step(again, self.random, self.mix)
        again.close()
        last = self._judge_crash(again, again.history)
        assert last.current == again.current, "a close loses nothing and brings nothing back"

    def _judge_crash(self, life: Life, known: History) -> Life:
        """The power fails, and all that `life` is after must be there."""
        fs, index = life.fs.crash(0, 0.0), life.index.crash()
        self.judged.is_new(fs.fingerprint(), index.fingerprint(), life.current)
        found = self._open(fs, index, known.copy())
        check_recovered(found, known, lower_bound=life.current)
        return found

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


class RecoverySweep(EngineSweep):
    """Recovery itself is swept: the power fails in front of each operation of it."""

    def __init__(self, seed: int, every: int, sync_mode: SyncMode | None = None) -> None:
        super().__init__(seed, every, sync_mode)
        self._is_nested = False

    def recover(self, fs: CrashFs, index: MemoryIndex, history: History) -> Life:
        if self._is_nested:
            return super().recover(fs, index, history)
        watched = WatchedIndex(fs, index.durable)
        fs.watch = lambda operation: self._judge_each_loss(fs, watched)
        life = self._open(fs, watched, history)
        fs.watch = None
        return life

    def _judge_each_loss(self, fs: CrashFs, index: MemoryIndex) -> None:
        random = self.random
        self._is_nested = True
        with judging():
            for keep in POWER:
                kept = random.randint(0, index.unflushed_batches)
                survivor = fs.crash(random.getrandbits(32), keep, torn=random.random() < 0.5)
                self.judge(survivor, index.crash(kept), self.history.synced)
        self._is_nested = False


class CollectionSweep(EngineSweep):
    """Values are overwritten all the time, and every segment that has a dead one is collected."""

    mix = COLLECTING

    def __init__(self, seed: int, every: int, sync_mode: SyncMode | None = None) -> None:
        super().__init__(seed, every, sync_mode)
        self.settings = collecting(self.settings, self.random)


def collecting(settings: EngineSettings, random: Random) -> EngineSettings:
    """With small segments of values, each of which is collected as soon as some of it is dead."""
    return msgspec.structs.replace(
        settings,
        drain_entries_max=random.choice([3, 8]),
        value_segment_bytes=random.choice([100, 200, 400]),
        wal_retained_bytes_max=0,
        collection=CollectionSettings(limits=CollectionLimits(0.2, 0.1), rate=0),
    )
