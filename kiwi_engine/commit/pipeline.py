"""The log thread and the hand-over of groups to it (shell: one thread, obeys `commit.policy`).

    executing thread          take() -> fill a group -> offer()
                                   |        one group waits here, and may be taken back to grow
                                   v
    log thread                value log append, sync -> WAL append, sync -> replies

While the log thread syncs one group, the executing thread fills the next; a third has to wait: that
is the pipeline's bound. A reply is delivered only after the sync of its own group, and groups are
committed in the order they were filled, so no reply shows what a crash could take back.

A failed write or sync is final. The log thread then answers every group with the error until the
executing thread has seen `failure`, dropped what was not acknowledged, and cleared it if the engine
may go on (lack of space, too much at once); a poisoned pipeline keeps it for ever.
Nothing here knows what a change means.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal

from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.commit.changes import encode_changes
from kiwi_engine.commit.group import Group, PendingReply
from kiwi_engine.commit.log_protocol import Log, ValueLog
from kiwi_engine.commit.policy import BatchLimits, Commit, GroupFacts, decide
from kiwi_engine.commit.signal import Signal
from kiwi_engine.commit.statistics import CommitStatistics
from kiwi_engine.errors import (
    DiskFullError,
    EnginePoisonedError,
    OverloadedError,
    ReplyError,
    UnknownOutcomeError,
)
from kiwi_engine.failpoints import hit
from kiwi_engine.vlog.format import encode_pointer
from kiwi_engine.vlog.separated import LargeValue
from kiwi_engine.wal.format import PAYLOAD_BYTES_MAX

logger = logging.getLogger(__name__)

SyncMode = Literal["always", "everysec", "no"]
# Called by the log thread; with an error, none of the replies may be sent as they are.
Deliver = Callable[[list[PendingReply], ReplyError | None], None]

_EVERYSEC_NS = 1_000_000_000
_WAIT_MAX_S = 1.0
_BUG = "the log thread met a bug, see the log file"


class Pipeline:
    """Owns the log thread. `limits` may be changed at any time; `sync_mode` has a method for it."""

    def __init__(
        self,
        log: Log,
        values: ValueLog,
        limits: BatchLimits,
        sync_mode: SyncMode,
        deliver: Deliver,
    ) -> None:
        self._log = log
        self._values = values
        self.limits = limits
        self.sync_mode = sync_mode
        self._deliver = deliver
        self.statistics = CommitStatistics()
        # The group that waits: at most one. Each thread takes it out in one step of the
        # interpreter, so nobody needs a lock; one that both threads share is a place where either
        # may wait for the other, which waits for the interpreter.
        self._ready: deque[Group] = deque()
        # Set before a group is taken from `_ready`, so that `is_idle` never misses it.
        self.busy = False
        self.failure: ReplyError | None = None
        self._closing = False
        self._sync_wanted = False
        self._log_thread = Signal()
        self._executor = Signal()
        # Written by the log thread only.
        self.written_lsn = log.next_lsn - 1
        self.durable_lsn = self.written_lsn
        # The last LSN whose replies were let go: with relaxed syncs it may not be durable yet.
        self.acknowledged_lsn = self.written_lsn
        # What is written and not synced, and since when: the relaxed modes have acknowledged it.
        self.unsynced_bytes = 0
        self._unsynced_since_ns = 0
        self._last_sync_ns = monotonic_ns()
        self._thread = threading.Thread(target=self._run, name="kiwi-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # ---- executing thread

    def take(self) -> Group:
        """A group to fill: the waiting one if it may still grow, else a new one."""
        group = self._waiting()
        if group is not None and group.may_grow and self._is_open(group):
            try:
                return self._ready.pop()
            except IndexError:
                pass  # the log thread was faster
        return Group(monotonic_ns())

    def keep_waiting_as_it_is(self) -> None:
        """The waiting group may not be taken back: its generation is sealed.

        If it grew after that, its record would hold later values than the generation that is
        drained under its LSN, and a recovery, which skips applied records, would lose them.
        """
        group = self._waiting()
        if group is not None:
            group.may_grow = False

    def offer(self, group: Group) -> None:
        """Hand a group over; waits while another one waits already (the pipeline's bound)."""
        if self._ready:
            self._wait_for_place()
        self._ready.append(group)
        self._log_thread.wake()

    def is_idle(self) -> bool:
        """Nothing waits and nothing is being committed.

        A group without changes may be answered then, unless `failure` has become another since it
        was taken: it may have read what could not be committed.
        """
        return not self._ready and not self.busy

    @property
    def depth(self) -> int:
        """Groups that wait or are being committed: 0 to 2."""
        return len(self._ready) + int(self.busy)

    @property
    def unsynced_ns(self) -> int:
        """How long the oldest write has waited that is not synced; 0 if there is none."""
        return monotonic_ns() - self._unsynced_since_ns if self.unsynced_bytes else 0

    def change_sync_mode(self, mode: SyncMode) -> None:
        """Go on in `mode`, and sync at once what the former one has left."""
        if mode != self.sync_mode:
            self.sync_mode = mode
            self.want_sync()

    def want_sync(self) -> None:
        """Ask for a sync of what is written, in the modes that reply before it."""
        self._sync_wanted = True
        self._log_thread.wake()

    def wait_idle(self) -> None:
        """Return when everything offered so far is committed or failed."""
        self._wait_until(self.is_idle)

    def close(self) -> None:
        """Commit what was offered, sync it, end the thread."""
        self._closing = True
        self._log_thread.wake()
        self._thread.join()

    def _wait_for_place(self) -> None:
        started_ns = monotonic_ns()
        self._wait_until(lambda: not self._ready)
        self.statistics.waits += 1
        self.statistics.waits_ns += monotonic_ns() - started_ns

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what the log thread does: it takes a group, or becomes idle."""
        with self._executor:
            while not is_so():
                # An interrupt (Ctrl-C) may have kept it from being told of a group.
                self._log_thread.wake()
                self._executor.wait(_WAIT_MAX_S)

    def _waiting(self) -> Group | None:
        try:
            return self._ready[0]
        except IndexError:
            return None

    def _is_open(self, group: Group) -> bool:
        return not isinstance(decide(_facts(group, self.busy), self.limits), Commit)

    # ---- log thread

    def _run(self) -> None:
        while True:
            try:
                return self._serve()
            except Exception:
                # Nobody may wait for an answer in vain: it goes on, and gives them the failure.
                logger.exception(_BUG)
                self.failure = EnginePoisonedError(_BUG)
                self._become_idle()

    def _serve(self) -> None:
        while True:
            group = self._next_group()
            if group is not None:
                self._commit_or_fail(group)
            elif self._closing and not self._ready:
                break
            self._sync_if_due()
            self._become_idle()
        self._sync_if_due(closing=True)

    def _next_group(self) -> Group | None:
        """Wait for a group, for a reason to sync, or for the end (None for both)."""
        with self._log_thread:
            while True:
                group = self._waiting()
                wait_s = self._sync_due_in_s()
                if group is not None:
                    decision = decide(_facts(group, log_busy=False), self.limits)
                    if isinstance(decision, Commit) or self._closing:
                        taken = self._take_waiting()
                        if taken is None:
                            continue
                        if isinstance(decision, Commit) and decision.reason == "full":
                            self.statistics.groups_full += 1
                        return taken
                    assert decision.wait_ns is not None, "the log thread is free here"
                    wait_s = min(wait_s, decision.wait_ns / 1e9)
                elif self._closing:
                    return None
                if wait_s <= 0:
                    self.busy = True
                    return None
                self._log_thread.wait(min(wait_s, _WAIT_MAX_S))

    def _take_waiting(self) -> Group | None:
        """None: the executing thread has taken it back."""
        self.busy = True
        try:
            group = self._ready.popleft()
        except IndexError:
            self.busy = False
            return None
        self._executor.wake()
        return group

    def _become_idle(self) -> None:
        self.busy = False
        self._executor.wake()

    def _commit_or_fail(self, group: Group) -> None:
        answer: ReplyError | None = None
        if self.failure is None:
            try:
                self._commit(group)
            except OSError as error:
                self._set_failure(error)
                # Its record may have reached the device all the same.
                answer = UnknownOutcomeError(f"writing the log failed ({error})")
            except (DiskFullError, EnginePoisonedError, OverloadedError) as error:
                logger.error("a group could not be committed: %s", error)
                self.failure = error
            except Exception:
                logger.exception(_BUG)
                self.failure = EnginePoisonedError(_BUG)
                answer = UnknownOutcomeError(_BUG)
        if self.failure is not None:
            self.statistics.groups_failed += 1
        elif group.lsn:
            self.acknowledged_lsn = group.lsn
        self._deliver(group.replies, answer or self.failure)

    def _commit(self, group: Group) -> None:
        if not group.has_changes:
            return
        started_ns = monotonic_ns()
        if group.large:
            self._append_values(group)
        payload = encode_changes(group.committed_ms or wall_ms(), group.ranges, group.changes)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise OverloadedError(f"ERR writes of {len(payload)} bytes at once are too many")
        group.lsn = self._log.append(payload)
        self.written_lsn = group.lsn
        if not self.unsynced_bytes:
            self._unsynced_since_ns = started_ns
        self.unsynced_bytes += len(payload)
        hit("wal-append")
        if self.sync_mode == "always":
            self._sync()
        hit("before-reply")
        statistics = self.statistics
        statistics.groups += 1
        statistics.requests += group.requests
        statistics.bytes_logged += len(payload)
        if group.requests > statistics.requests_max:
            statistics.requests_max = group.requests
        statistics.commit.record_ns(monotonic_ns() - started_ns)

    def _append_values(self, group: Group) -> None:
        """Large values are on the device before the record that points to them is written."""
        # A value overwritten within its group is in no record, so it need not be in the log.
        group.large = [row for row in group.large if group.changes.get(row[0]) is row[1]]
        entries = []
        for key, large in group.large:
            assert isinstance(large, LargeValue), "only a replayed group has its values written"
            entries.append((key, large.value))
        try:
            pointers = self._values.append(entries, self._log.next_lsn)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # No record points to what was torn, so nothing is lost and writing can resume.
            raise DiskFullError("no space left for the value log") from error
        for (_, large), pointer in zip(group.large, pointers, strict=True):
            large.pointer = encode_pointer(pointer)
        hit("vlog-append")
        self._values.sync()

    def _sync(self) -> None:
        started_ns = monotonic_ns()
        lsn = self.written_lsn
        self._log.sync()
        hit("wal-sync")
        self.durable_lsn = lsn
        self._last_sync_ns = monotonic_ns()
        self.statistics.unsynced.record_ns(self._last_sync_ns - self._unsynced_since_ns)
        self.unsynced_bytes = 0
        self.statistics.syncs += 1
        self.statistics.sync.record_ns(self._last_sync_ns - started_ns)

    def _sync_due_in_s(self) -> float:
        """Seconds until an unsynced write must be synced; a long time if there is none."""
        if self.durable_lsn == self.written_lsn or self.failure is not None:
            return 3600.0
        if self._sync_wanted or self.sync_mode == "always":
            return 0.0
        if self.sync_mode == "no":
            return 3600.0
        return max(0.0, (self._last_sync_ns + _EVERYSEC_NS - monotonic_ns()) / 1e9)

    def _sync_if_due(self, *, closing: bool = False) -> None:
        due = closing or self._sync_due_in_s() <= 0
        self._sync_wanted = False
        if not due or self.durable_lsn == self.written_lsn or self.failure is not None:
            return
        try:
            self._sync()
        except OSError as error:
            self._set_failure(error)

    def _set_failure(self, error: OSError) -> None:
        self.statistics.last_sync_error = str(error)
        logger.critical("writing the log failed, the engine is read-only now: %s", error)
        self.failure = EnginePoisonedError(f"writing the log failed ({error})")


def _facts(group: Group, log_busy: bool) -> GroupFacts:
    return GroupFacts(group.requests, group.bytes, monotonic_ns() - group.opened_ns, log_busy)
