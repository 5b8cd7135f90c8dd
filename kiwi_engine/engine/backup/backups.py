"""The backups of a running engine, one at a time (glue: executing thread).

    start ──▶ waits until everything acknowledged so far is durable ──▶ runs ──▶ report or failure

A backup has a thread of its own, so that no drain waits for it. While one runs, the files it needs
are pinned and the log it needs is held back.
"""

from __future__ import annotations

import logging

from kiwi_engine.clock import wall_ms
from kiwi_engine.commit.pipeline import Pipeline
from kiwi_engine.engine.backup.checkpoint import drop_checkpoint
from kiwi_engine.engine.backup.job import BackupJob, BackupOrder, BackupReport
from kiwi_engine.engine.collection.collector import Collector
from kiwi_engine.engine.housekeeping import Housekeeping
from kiwi_engine.engine.jobs import BackgroundJobs
from kiwi_engine.engine.pins import Pin, Pins
from kiwi_engine.engine.recovery.opening import Opened
from kiwi_engine.errors import BackupError, KiwiError

logger = logging.getLogger(__name__)

_NAME = "backup"


class Backups:
    """Owned by the engine. Times are milliseconds since the Unix epoch, 0 for never.

    `failure`: why the last backup was not made, "" if it was.
    """

    def __init__(
        self,
        opened: Opened,
        pipeline: Pipeline,
        housekeeping: Housekeeping,
        pins: Pins,
        collector: Collector,
    ) -> None:
        self._opened = opened
        self._pipeline = pipeline
        self._housekeeping = housekeeping
        self._pins = pins
        self._collector = collector
        self._jobs = BackgroundJobs(1)
        self._waiting: BackupOrder | None = None
        self._wanted_lsn = 0
        self._running: tuple[BackupJob, Pin] | None = None
        self.last: BackupReport | None = None
        self.failure = ""
        self.started_ms = self.ended_ms = 0
        self.made = 0
        drop_checkpoint(opened)

    @property
    def in_progress(self) -> bool:
        """Whether one was started and has not ended."""
        return self._waiting is not None or self._running is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes behind and in total; (0, 0) before that is known."""
        if self._running is None:
            return 0, 0
        job = self._running[0]
        return job.done_bytes, job.total_bytes

    def start(self, order: BackupOrder) -> None:
        """Take a backup that holds at least what is acknowledged now.

        `BackupError` while another one is in progress; every other trouble is told by `failure`.
        """
        if self.in_progress:
            raise BackupError("a backup is in progress already")
        self._waiting = order
        self._wanted_lsn = self._pipeline.acknowledged_lsn
        self.started_ms = wall_ms()
        if self._wanted_lsn > self._pipeline.durable_lsn:
            self._pipeline.want_sync()

    def maintain(self) -> None:
        """Often: begin what waits, note what ended."""
        for name, result, error in self._jobs.collect():
            assert name == _NAME
            self._ended(result, error)
        if self._waiting is not None and self._may_begin():
            order, self._waiting = self._waiting, None
            self._begin(order)

    def cancel(self) -> bool:
        """End the backup in progress; False if there is none."""
        if not self.in_progress:
            return False
        if self._waiting is not None:
            self._waiting = None
            self._note_failure("the backup was cancelled")
        else:
            assert self._running is not None, "it waits or it runs"
            self._running[0].cancel()
        return True

    def close(self) -> None:
        """Cancel what is in progress and wait for its end."""
        self.cancel()
        for _, result, error in self._jobs.close():
            self._ended(result, error)

    def _may_begin(self) -> bool:
        # A release that runs would give up segments that are not held back yet.
        if self._housekeeping.jobs.is_running("release"):
            return False
        is_durable = self._pipeline.durable_lsn >= self._wanted_lsn
        return is_durable or self._pipeline.failure is not None

    def _begin(self, order: BackupOrder) -> None:
        applied_lsn = self._housekeeping.applied_lsn
        # That record, too: where nothing is behind it, its segment is the log of the backup.
        self._housekeeping.retention.hold(_NAME, applied_lsn - 1)
        job = BackupJob(self._opened, order, applied_lsn, self._collector.is_leaving)
        self._running = job, self._pins.take("backup")
        self._jobs.start(_NAME, job.run)

    def _ended(self, result: object, error: BaseException | None) -> None:
        assert self._running is not None
        self._running[1].release()
        self._running = None
        self._housekeeping.retention.let_go(_NAME)
        if error is None:
            assert isinstance(result, BackupReport)
            self.last, self.failure, self.ended_ms = result, "", wall_ms()
            self.made += 1
            logger.info("backup of LSN %d made in %s", result.last_lsn, result.target)
        elif isinstance(error, KiwiError | OSError):
            self._note_failure(str(error))
        else:
            # A bug; the engine itself is not touched by it.
            logger.error("the backup met a bug", exc_info=error)
            self._note_failure("the backup met a bug, see the log file")

    def _note_failure(self, reason: str) -> None:
        logger.error("the backup failed: %s", reason)
        self.failure, self.ended_ms = reason, wall_ms()
