"""What keeps an engine going between groups (shell: executing thread).

    drain     a sealed generation goes into the index      when it is large, or old, and durable
    segment   the log's next segment is zero-filled        when the log has none ready
    release   the index is flushed, then log segments      when much log is retained, or a
              that it covers are recycled                  restart would have much to replay

Jobs run in the background; their results are merged here, on the executing thread, which alone
changes the store. A job that fails makes the engine read-only; one that lacks disk space is made
again until it succeeds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commit.group import Group
from kiwi_engine.commit.pipeline import Pipeline
from kiwi_engine.engine.disk_space import full_disk, lacks_space
from kiwi_engine.engine.drain import Drained, Drainer
from kiwi_engine.engine.jobs import BackgroundJobs
from kiwi_engine.engine.overlay import Generation, joined
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.engine.retention import Retention
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.store import Store
from kiwi_engine.errors import DiskFullError, EnginePoisonedError, KiwiError, ReplyError
from kiwi_engine.failpoints import hit

logger = logging.getLogger(__name__)

_DISK_CHECK_NS: Final = 1_000_000_000
# What is tried again while the disk is full. A segment is made when nothing speaks against writing.
_REPEATED: Final = frozenset({"drain", "release"})
_RETIRED_SLICE: Final = 20
_RELEASE_INTERVAL_NS: Final = 200_000_000
# If a restart has replayed so many changes, a tenth of a second's work, the next one shall not.
_LONG_REPLAY_CHANGES: Final = 10_000


class Housekeeping:
    """Owned by the engine. `problem` is set while writes must be refused on its account."""

    def __init__(
        self, opened: Opened, settings: EngineSettings, store: Store, pipeline: Pipeline
    ) -> None:
        self.settings = settings
        self._opened = opened
        self._store = store
        self._pipeline = pipeline
        self.drainer = Drainer(opened.index, store.clean, opened.tally, opened.state)
        self.jobs = BackgroundJobs(settings.background_threads)
        self.problem: ReplyError | None = None
        # Who takes the result of a job, or the error it ended with, by the job's name.
        self.on_ended: dict[str, Callable[[object, BaseException | None], None]] = {}
        # Set by `engine.pressure`: writers wait for what only a drain can bring.
        self.drain_is_urgent = False
        self.disk_free_bytes = opened.fs.free_bytes(opened.paths.root)
        # Up to here the index is on disk: log segments below may be recycled.
        self.flushed_lsn = opened.report.applied_lsn_before
        self.applied_lsn = opened.state.applied_lsn
        # Who else needs the log: backups and the archive.
        self.retention = Retention()
        # Segments up to here were released, or will be by the job that runs.
        self._released_lsn = 0
        self.drains = 0
        self.segments_released = 0
        self._disk_checked_ns = 0
        self._release_checked_ns = 0
        self._is_failed = False
        # Changes that are drained and not known to be flushed.
        self._unflushed_changes = 0
        # The end of a long replay: when it is drained, it is to be flushed.
        self._replayed_lsn = opened.report.last_lsn if _was_long(opened) else 0
        self._drain_is_wanted = self._replayed_lsn > 0
        # Jobs that failed for lack of disk space and are made again, every second.
        self._waiting_for_space: set[str] = set()
        self._retry_ns = 0
        # Groups whose generation is drained.
        self._retired: list[Group] = []
        store.settle_drain = self.finish_drain

    def maintain(self) -> None:
        """Merge what ended and start what is due; a few microseconds if nothing is."""
        now_ns = monotonic_ns()
        for name, result, error in self.jobs.collect():
            self._ended(name, result, error)
        self._store.clean.discard_slice()
        # A few at a time, as freeing all groups of a generation at once would hold up commits.
        del self._retired[-_RETIRED_SLICE:]
        self._drain_if_due(now_ns)
        # Not again and again while the disk is full.
        wanted = self._opened.log.needs_segment and self.problem is None
        if wanted and not self.jobs.is_running("segment"):
            self.jobs.start("segment", self._opened.log.prepare_segment)
        if now_ns - self._release_checked_ns > _RELEASE_INTERVAL_NS:
            self._release_checked_ns = now_ns
            self._release_if_due()
        if now_ns - self._disk_checked_ns > _DISK_CHECK_NS:
            self._disk_checked_ns = now_ns
            self._check_disk()

    def finish_drain(self) -> None:
        """Wait for the drain that is under way, if one is, and merge it."""
        if self.jobs.is_running("drain"):
            self._ended(*self.jobs.wait("drain"))

    def drain_soon(self) -> None:
        """Have what is pending now drained next, however little it is."""
        self._drain_is_wanted = True

    def seal(self) -> None:
        """Close the open generation, so that it is drained as soon as it is durable."""
        store = self._store
        self._drain_is_wanted = False
        assert store.draining is None, "one generation is drained at a time"
        self._pipeline.keep_waiting_as_it_is()
        store.draining = store.generation
        store.open_generation(monotonic_ns())

    def close(self) -> None:
        """After the pipeline is closed: drain what is left, so the next start has no replay."""
        for name, result, error in self.jobs.close():
            self._ended(name, result, error)
        if self._pipeline.failure is not None or self._is_failed:
            return
        try:
            self._drain_all()
        except (KiwiError, OSError) as error:
            if not lacks_space(error):
                raise
            logger.error("the disk is full, the next start drains what is left: %s", error)

    def _drain_all(self) -> None:
        if self._store.draining is not None:
            self._drain_now(self._store.draining)
        if self._store.generation.groups:
            self.seal()
            assert self._store.draining is not None
            self._drain_now(self._store.draining)
        self._opened.index.flush()
        applied_lsn = self.drainer.state.applied_lsn
        self._opened.log.release(min(applied_lsn, self.retention.floor()))

    # ---- drains

    def _drain_if_due(self, now_ns: int) -> None:
        store, settings = self._store, self.settings
        if store.draining is not None:
            if not self.jobs.is_running("drain"):
                self._start_drain()
            return
        generation = store.generation
        if generation.groups and (
            len(generation.entries) >= settings.drain_entries_max
            or generation.bytes >= settings.drain_bytes_max
            or now_ns - generation.opened_ns >= settings.drain_interval_ns
            or self.drain_is_urgent
            or self._drain_is_wanted
        ):
            self.seal()
            self._start_drain()

    def _start_drain(self) -> None:
        """The index is never ahead of the durable log: wait for the sync of the last group."""
        generation = self._store.draining
        assert generation is not None
        if self._pipeline.failure is not None or self._is_failed:
            return
        last_lsn = self._last_lsn(generation)
        if last_lsn == 0 or last_lsn > self._pipeline.durable_lsn:
            if last_lsn:
                self._pipeline.want_sync()
            return
        if self._waits_for_space("drain"):
            return
        self.jobs.start("drain", lambda: self.drainer.drain(generation, last_lsn))

    def _drain_now(self, generation: Generation) -> None:
        # Merged at once: the next drain relies on the clean cache being as old as the index.
        self._merge(self.drainer.drain(generation, self._last_lsn(generation)))

    def _last_lsn(self, generation: Generation) -> int:
        """0 while its last group is not in the log. It has no groups when all were given up."""
        return generation.groups[-1].lsn if generation.groups else self.applied_lsn

    def _merge(self, drained: Drained) -> None:
        store = self._store
        ranges = store.draining.ranges if store.draining is not None else []
        if store.draining is not None:
            self._retired += store.draining.groups
            self._unflushed_changes += _changes_of(store.draining)
        store.draining = None
        self.drainer.progress = 0.0
        # Joined, because each walks the whole cache.
        for begin, end in joined(ranges):
            store.clean.remove_range(begin, end)
        for key in drained.absent:
            store.clean.remove(key)
        store.clean.add_many(drained.present, drained.present_bytes)
        store.counters = drained.counters
        self.applied_lsn = drained.applied_lsn
        self.drains += 1

    # ---- log segments

    def _release_if_due(self) -> None:
        if self.jobs.is_running("release") or self._is_failed or self._waits_for_space("release"):
            return
        retained = self._opened.log.facts().retained_bytes
        # Of finished drains only: one under way is not wholly in the memtables yet.
        lsn = self.applied_lsn
        through_lsn = min(lsn, self.retention.floor())
        is_large = retained > self.settings.wal_retained_bytes_max
        if (is_large and through_lsn > self._released_lsn) or self._replay_would_be_long():
            self._released_lsn = through_lsn
            changes = self._unflushed_changes
            self.jobs.start("release", lambda: self._flush_and_release(lsn, changes))

    def _replay_would_be_long(self) -> bool:
        return (
            self._unflushed_changes > self.settings.replay_changes_max
            or self.flushed_lsn < self._replayed_lsn <= self.applied_lsn
        )

    def _flush_and_release(self, lsn: int, changes: int) -> tuple[int, int, int]:
        """Background: (LSN that is on disk inside the index, changes up to it, segments let go)."""
        hit("index-flush")
        self._opened.index.flush()
        return lsn, changes, self._opened.log.release(min(lsn, self.retention.floor()))

    # ---- trouble

    def _ended(self, name: str, result: object, error: BaseException | None) -> None:
        if name in self.on_ended and (error is None or isinstance(error, KiwiError | OSError)):
            self.on_ended[name](result, error)
            return
        if error is not None:
            self._failed(name, error)
            return
        self._waiting_for_space.discard(name)
        if name == "drain":
            assert isinstance(result, Drained)
            self._merge(result)
        elif name == "release":
            assert isinstance(result, tuple)
            self.flushed_lsn, changes, released = result
            self._unflushed_changes -= changes
            self.segments_released += released

    def _failed(self, name: str, error: BaseException) -> None:
        if lacks_space(error):
            self._ran_out_of_space(name, error)
            return
        logger.critical("background job %s failed; read-only now", name, exc_info=error)
        self._is_failed = True
        self.problem = EnginePoisonedError(f"background job {name} failed ({error})")
        if name == "drain":
            # Some of its slices may be in the index.
            self._store.clean.clear()
            self._store.counters = self.drainer.counters_written

    def _ran_out_of_space(self, name: str, error: BaseException) -> None:
        """Writes are refused until the job was made again with success.

        RocksDB looks every few seconds whether there is space again, and then goes on by itself
        with what its memtables hold.
        """
        if name not in self._waiting_for_space:
            logger.error("background job %s: %s", name, error)
        self.problem = full_disk(error)
        if name not in _REPEATED:
            return
        self._waiting_for_space.add(name)
        self._retry_ns = monotonic_ns() + _DISK_CHECK_NS
        if name == "drain":
            self._store.clean.clear()
            self.drainer.go_back()
            self._store.counters = self.drainer.counters_written
        else:
            self._released_lsn = 0

    def _waits_for_space(self, name: str) -> bool:
        return name in self._waiting_for_space and monotonic_ns() < self._retry_ns

    def _check_disk(self) -> None:
        """Refuse writes early, while nothing is torn; resume by itself when space is freed."""
        if self._is_failed:
            return
        self.disk_free_bytes = self._opened.fs.free_bytes(self._opened.paths.root)
        if self.disk_free_bytes < self.settings.disk_reserve_bytes:
            free, reserve = self.disk_free_bytes, self.settings.disk_reserve_bytes
            self.problem = DiskFullError(
                f"{free} bytes of disk are free, disk-reserve is {reserve}"
            )
        elif not self._waiting_for_space:
            self.problem = None


def _was_long(opened: Opened) -> bool:
    """Whether opening has replayed a lot; it may have drained a part of that already."""
    has_drained = opened.state.applied_lsn > opened.report.applied_lsn_before
    return has_drained or _changes_of(opened.pending) >= _LONG_REPLAY_CHANGES


def _changes_of(generation: Generation) -> int:
    """The changes in its log records: more than its entries where keys are written again."""
    return sum(len(group.changes) for group in generation.groups)
