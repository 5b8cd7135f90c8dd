"""An engine whose threads are steps of the test: deterministic, replayable, fast.

The log thread's work and the background jobs happen when a test says so, on its own thread, in any
order that real threads could have. Everything else is the engine's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any
from unittest.mock import patch

from kiwi_engine.commit import pipeline
from kiwi_engine.commit.group import Group
from kiwi_engine.commit.pipeline import Deliver, Pipeline
from kiwi_engine.engine import drain, engine, housekeeping, layout, pressure, widening
from kiwi_engine.engine.archive import archiver
from kiwi_engine.engine.backup import backups
from kiwi_engine.engine.collection import collector, sampler, segment_pass
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.recovery import opening
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.errors import KiwiError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.index.protocol import Index
from kiwi_engine.testing.given_index import GivenIndex
from kiwi_engine.vlog.writer import ValueLogSettings
from kiwi_engine.wal.settings import LogSettings

# About twenty looks at the clock make the second of `everysec`.
_CLOCK_STEP_NS = 50_000_000
DIRECTORY = "/data"


class SteppedPipeline(Pipeline):
    """Commits the waiting group when `step` is called, or when another one needs its place."""

    def start(self) -> None:
        """No thread."""

    def step(self) -> bool:
        """What the log thread would do next; False if there is nothing."""
        group = self._ready.popleft() if self._ready else None
        if group is None and self._sync_due_in_s() > 0:
            return False
        self.busy = True
        try:
            if group is not None:
                self._commit_or_fail(group)
            self._sync_if_due()
        finally:
            self.busy = False
        return True

    def offer(self, group: Group) -> None:
        if self._ready:
            self.step()
        self._ready.append(group)
        # As if the log thread were still at the group before: this one may be taken back.
        self.busy = True

    def wait_idle(self) -> None:
        while self._ready:
            self.step()

    def close(self) -> None:
        self._closing = True
        self.wait_idle()
        self._sync_if_due(closing=True)


class SteppedJobs:
    """Background jobs that run when `run_one` is called, or waited for."""

    def __init__(self, threads: int) -> None:
        self._waiting: dict[str, Callable[[], Any]] = {}
        self._ended: dict[str, tuple[str, Any, BaseException | None]] = {}

    def start(self, name: str, job: Callable[[], Any]) -> None:
        assert not self.is_running(name), f"{name} runs already"
        self._waiting[name] = job

    def is_running(self, name: str) -> bool:
        return name in self._waiting or name in self._ended

    def run_one(self) -> bool:
        """Run the job that waits longest; False if none does."""
        for name in self._waiting:
            self._run(name)
            return True
        return False

    def wait(self, name: str) -> tuple[str, Any, BaseException | None]:
        if name in self._waiting:
            self._run(name)
        return self._ended.pop(name)

    def collect(self) -> list[tuple[str, Any, BaseException | None]]:
        ended, self._ended = list(self._ended.values()), {}
        return ended

    def close(self) -> list[tuple[str, Any, BaseException | None]]:
        while self.run_one():
            pass
        return self.collect()

    def _run(self, name: str) -> None:
        job = self._waiting.pop(name)
        try:
            self._ended[name] = (name, job(), None)
        except (KiwiError, OSError) as error:
            self._ended[name] = (name, None, error)


def run_one(jobs: object) -> None:
    """Have the thread of `jobs`, those of a stepped engine, do what it was given."""
    assert isinstance(jobs, SteppedJobs)
    jobs.run_one()


def open_stepped(
    fs: FileSystem,
    index: Index,
    settings: EngineSettings,
    tally: Tally,
    deliver: Deliver,
) -> Engine:
    """An engine over `DIRECTORY` that moves only by `step` and `run_one`."""
    with stepped_threads():
        return Engine.open(DIRECTORY, settings, tally, deliver, fs, GivenIndex(index))


@contextmanager
def stepped_threads() -> Iterator[None]:
    """Engines that are opened meanwhile have no threads."""
    with (
        patch.object(engine, "Pipeline", SteppedPipeline),
        patch.object(housekeeping, "BackgroundJobs", SteppedJobs),
        patch.object(backups, "BackgroundJobs", SteppedJobs),
        patch.object(archiver, "BackgroundJobs", SteppedJobs),
    ):
        yield


@contextmanager
def tiny_steps() -> Iterator[None]:
    """Slices and steps of a few keys or bytes; what is due every so often is always due.

    The pipeline's clock goes on by a fixed step, so that a seed gives the same run each time.
    """
    with (
        patch.object(pipeline, "monotonic_ns", partial(next, count(0, _CLOCK_STEP_NS))),
        patch.object(pipeline, "wall_ms", partial(next, count(1_000_000_000_000))),
        patch.object(opening, "LogSettings", partial(LogSettings, zero_slice_bytes=70)),
        patch.object(opening, "ValueLogSettings", partial(ValueLogSettings, allocate_bytes=90)),
        patch.object(layout, "new_identity", lambda: "5" * 32),
        patch.object(drain, "SLICE_KEYS", 2),
        patch.object(collector, "_SURVEY_INTERVAL_NS", -1),
        patch.object(collector, "_RETRY_NS", 0),
        patch.object(collector, "_BATCH_BYTES", 100),
        patch.object(collector, "_SLICE_BYTES", 40),
        patch.object(collector, "_IDLE_SLICE_BYTES", 70),
        patch.object(segment_pass, "_LOOKUP_KEYS", 2),
        patch.object(sampler, "_INTERVAL_NS", -1),
        patch.object(drain, "sleep", lambda seconds: None),
        patch.object(housekeeping, "_RELEASE_INTERVAL_NS", -1),
        patch.object(housekeeping, "_DISK_CHECK_NS", -1),
        patch.object(pressure, "ASSESS_INTERVAL_NS", -1),
        # Never: its facts are those of a span of time.
        patch.object(widening, "INTERVAL_NS", 1 << 62),
    ):
        yield
