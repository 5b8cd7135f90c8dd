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
from collections.abc import Callable
from typing import Final

from kiwi_engine.clock import monotonic_ns, sleep
from kiwi_engine.commit.pipeline import Deliver, Pipeline
from kiwi_engine.engine.clean_cache import CleanCache
from kiwi_engine.engine.housekeeping import Housekeeping
from kiwi_engine.engine.opening import Opened, OpenIndex, open_directory
from kiwi_engine.engine.pins import Pins
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.store import Store
from kiwi_engine.engine.store_protocol import Tally
from kiwi_engine.errors import (
    DiskFullError,
    EngineClosedError,
    EnginePoisonedError,
    ReplyError,
)
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.index.protocol import Index
from kiwi_engine.index.rocks import RocksIndex

logger = logging.getLogger(__name__)

_HOLD_UP_PAUSE_S: Final = 0.001


def open_rocks_index(path: str, settings: EngineSettings) -> Index:
    """The index that a server uses."""
    return RocksIndex.open(path, settings.index)


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
        self.on_rebuilt: Callable[[], None] = lambda: None
        # How often and how long the executing thread waited because too much was undrained.
        self.hold_ups = 0
        self.hold_up_ns = 0
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
        open_index: OpenIndex = open_rocks_index,
    ) -> Engine:
        """Lock, recover and start; everything that was acknowledged is served.

        `LockedError`, `LayoutError` or `CorruptionError` where the directory cannot be used; it is
        as it was then, but for a torn tail.
        """
        opened = open_directory(fs or PosixFileSystem(), directory, settings, tally, open_index)
        engine = cls(opened, settings, tally, deliver)
        engine.pipeline.start()
        return engine

    @property
    def refusal(self) -> ReplyError | None:
        """Why writes are refused at present, or None."""
        return self.pipeline.failure or self.housekeeping.problem

    # ---- groups

    def begin(self) -> None:
        """Open a group for what comes next. `refusal` is up to date afterwards."""
        if self._closed:
            raise EngineClosedError("the engine is closed")
        self._hold_up_while_full()
        if self.pipeline.failure is not self._failure_seen:
            self._drop_what_failed()
        self.store.open_group(self.pipeline.take())

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

    def configure(self, settings: EngineSettings) -> None:
        """Take over the run-time settings."""
        self.settings = settings
        self.housekeeping.settings = settings
        self.pipeline.limits = settings.batch
        self.pipeline.sync_mode = settings.sync_mode
        self.store.value_threshold = settings.value_threshold

    def reset_statistics(self) -> None:
        self.pipeline.statistics.reset()

    def close(self) -> None:
        """Commit, sync and drain everything; release the directory. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        try:
            self.pipeline.close()
            self.housekeeping.close()
        finally:
            self.opened.close()

    def _hold_up_while_full(self) -> None:
        """Bound the memory of undrained changes: wait for the drain when there are too many."""
        limit = self.settings.pending_bytes_max
        if self.store.pending_bytes() <= limit or self.refusal is not None:
            return
        started_ns = monotonic_ns()
        while self.store.pending_bytes() > limit and self.refusal is None:
            self.housekeeping.maintain()
            sleep(_HOLD_UP_PAUSE_S)
        self.hold_ups += 1
        self.hold_up_ns += monotonic_ns() - started_ns

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
