"""One data directory, open (glue: starts and stops the log thread and the background jobs).

The executing thread drives it:

    begin() ... store.put(...), answer(run, ...) ... end()      a group, or a part of one
    maintain()                                                  often; keeps background jobs going

Replies leave through `deliver` when their group is durable. A failed write or sync leaves the
engine read-only (`refusal` says why): what was not acknowledged is dropped from memory, reads go
on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commit.pipeline import Deliver, Pipeline
from kiwi_engine.engine.archive.archiver import Archiver
from kiwi_engine.engine.backup.backups import Backups
from kiwi_engine.engine.clean_cache import CleanCache
from kiwi_engine.engine.collection.collector import Collector
from kiwi_engine.engine.collection.segment_pass import Row
from kiwi_engine.engine.housekeeping import Housekeeping
from kiwi_engine.engine.pins import Pins
from kiwi_engine.engine.pressure import Pressure
from kiwi_engine.engine.recovery.index_access import IndexAccess, RocksAccess
from kiwi_engine.engine.recovery.opening import Opened, open_directory
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.store import Store
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.engine.widening import Widening
from kiwi_engine.errors import (
    DiskFullError,
    EngineClosedError,
    EnginePoisonedError,
    ReplyError,
)
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.protocol import FileSystem

logger = logging.getLogger(__name__)

_ROCKS: Final = RocksAccess()


class Engine:
    """See the module docstring. `on_rebuilt` is called after changes were dropped from `store`."""

    def __init__(
        self, opened: Opened, settings: EngineSettings, tally: Tally, deliver: Deliver
    ) -> None:
        self.opened = opened
        self.settings = settings
        self._deliver = deliver
        self.store = Store(
            opened.index,
            opened.value_reader,
            CleanCache(settings.clean_cache_bytes),
            tally,
            settings.value_threshold,
            monotonic_ns(),
        )
        self.store.counters = Counter(opened.state.counters)
        self.store.open_generation(monotonic_ns(), opened.pending)
        self.pipeline = Pipeline(
            opened.log, opened.values, settings.batch, settings.sync_mode, deliver
        )
        # Views that keep old files from being removed; any thread.
        self.pins = Pins()
        self.housekeeping = Housekeeping(opened, settings, self.store, self.pipeline)
        self.pressure = Pressure(opened, settings, self.store, self.housekeeping)
        self.widening = Widening(self.pipeline, settings)
        self.archiver = Archiver(opened, settings, self.housekeeping.retention)
        self.collector = Collector(
            opened,
            settings.collection,
            self.store,
            self.pipeline,
            self.housekeeping,
            self.pins,
            self._rewrite,
            self.write_delay_s,
        )
        self.backups = Backups(opened, self.pipeline, self.housekeeping, self.pins, self.collector)
        self.on_rebuilt: Callable[[], None] = lambda: None
        self._closed = False
        # The failure whose changes were dropped from the store already.
        self._failure_seen: ReplyError | None = None

    @classmethod
    def open(
        cls,
        directory: str,
        settings: EngineSettings,
        tally: Tally,
        deliver: Deliver,
        fs: FileSystem | None = None,
        index_access: IndexAccess = _ROCKS,
    ) -> Engine:
        """Lock, recover and start; everything that was acknowledged is served.

        `LockedError`, `LayoutError`, `CorruptionError` or `IndexFailedError` where the directory
        cannot be used. Damage is found before anything is changed.
        """
        opened = open_directory(fs or PosixFileSystem(), directory, settings, tally, index_access)
        try:
            engine = cls(opened, settings, tally, deliver)
        except BaseException:
            opened.close()
            raise
        engine.pipeline.start()
        return engine

    @property
    def refusal(self) -> ReplyError | None:
        """Why writes are refused at present, or None."""
        return self.pipeline.failure or self.housekeeping.problem

    # ---- groups

    def write_delay_s(self) -> float:
        """0.0 if a write may run now, else seconds after which to ask again; never waits.

        Who writes asks before, or memory is unbounded; who only reads need not. While writes are
        refused they may run, to be told so.
        """
        delay_s = self.pressure.write_delay_s()
        return 0.0 if delay_s and self.refusal is not None else delay_s

    def begin(self) -> None:
        """Open a group for what comes next. `refusal` is up to date afterwards."""
        if self._closed:
            raise EngineClosedError("the engine is closed")
        if self.pipeline.failure is not self._failure_seen:
            self._drop_what_failed()
        self.store.open_group(self.pipeline.take())

    def refresh(self) -> None:
        """Forget what could not be committed, so that reads without a group do not see it."""
        if self.pipeline.failure is not self._failure_seen:
            self._drop_what_failed()

    def drop_open_group(self) -> None:
        """Forget the changes of a group that cannot be ended, and that nobody will answer.

        Waits until those that were offered are committed or have failed.
        """
        self.pipeline.wait_idle()
        self.store.rebuild(self.pipeline.acknowledged_lsn, monotonic_ns())
        self.on_rebuilt()

    @property
    def has_unseen_failure(self) -> bool:
        """Whether `refresh` has something to drop, for which it may have to wait."""
        return self.pipeline.failure is not self._failure_seen

    @property
    def everything_is_acknowledged(self) -> bool:
        """Whether nothing is on its way to the log, and nothing has failed since `refresh`."""
        # In this order: a failure is set before the pipeline becomes idle.
        return self.pipeline.is_idle() and self.pipeline.failure is self._failure_seen

    def is_acknowledged(self, key: bytes) -> bool:
        """Whether what `store` shows for `key` has been acknowledged, as of the last `refresh`.

        If not, whoever shows it waits for a group of its own (`begin`, `answer`, `end`).
        """
        if self.everything_is_acknowledged:
            return True
        store, acknowledged_lsn = self.store, self.pipeline.acknowledged_lsn
        for generation in (store.generation, store.draining):
            for group in reversed(generation.groups if generation is not None else ()):
                if 0 < group.lsn <= acknowledged_lsn:
                    return True
                if key in group.changes or any(b <= key < e for b, e in group.ranges):
                    return False
        return True

    def answer(self, run: int, replies: bytes, count: int) -> None:
        """What to send for a run, `count` replies, once the open group is durable."""
        group = self.store.group
        group.replies.append((run, replies, count))
        group.requests += count

    def group_is_full(self) -> bool:
        """Whether a bound of the open group is reached; then end it and begin another."""
        group, limits = self.store.group, self.pipeline.limits
        return group.requests >= limits.requests_max or group.bytes >= limits.bytes_max

    def end(self) -> None:
        """Hand the group over; without changes and with an idle log, answer it at once."""
        group = self.store.group
        pipeline = self.pipeline
        if group.has_changes:
            # Will fail too, and has to be dropped again, where a failure was seen already.
            self._failure_seen = None
            self.store.register_group()
            self.pressure.charge(group)
            pipeline.offer(group)
        elif group.replies:
            # The order matters: a failure is set before the pipeline becomes idle.
            if pipeline.is_idle() and pipeline.failure is self._failure_seen:
                self._deliver(group.replies, None)
            else:
                pipeline.offer(group)

    # ---- life

    def maintain(self) -> None:
        """To be called often: merges what background jobs finished and starts what is due."""
        self.housekeeping.maintain()
        now_ns = monotonic_ns()
        self.pressure.maintain(now_ns)
        self.widening.maintain(now_ns)
        self.backups.maintain()
        self.archiver.maintain()
        self.collector.maintain()

    def configure(self, settings: EngineSettings) -> None:
        """Take over the run-time settings."""
        self.settings = settings
        self.housekeeping.settings = settings
        self.archiver.settings = settings
        self.pressure.configure(settings)
        self.collector.survey.settings = settings.collection
        self.widening.configure(settings)
        self.pipeline.change_sync_mode(settings.sync_mode)
        self.store.value_threshold = settings.value_threshold

    def reset_statistics(self) -> None:
        self.pipeline.statistics.reset()

    def leave(self) -> None:
        """Commit and sync everything, and no more, for a process that ends right now.

        What the index lacks the next start takes from the log.
        """
        if not self._closed:
            self._closed = True
            self.pipeline.close()

    def close(self) -> None:
        """Commit, sync and drain everything; release the directory. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        try:
            self.backups.close()
            self.pipeline.close()
            self.archiver.close()
            self.housekeeping.close()
        finally:
            self.opened.close()

    def _rewrite(self, rows: Sequence[Row]) -> int:
        """A group that moves values within the value log; how many were still where they were."""
        self.begin()
        try:
            return self.store.put_where_pointer(rows)
        finally:
            self.end()

    def _drop_what_failed(self) -> None:
        """Go back to what was acknowledged; resume unless the log is poisoned."""
        failure = self.pipeline.failure
        self.pipeline.wait_idle()
        self.store.rebuild(self.pipeline.acknowledged_lsn, monotonic_ns())
        self.on_rebuilt()
        if isinstance(failure, DiskFullError):
            self.housekeeping.problem = failure
        if not isinstance(failure, EnginePoisonedError):
            self.pipeline.failure = None
        self._failure_seen = self.pipeline.failure
