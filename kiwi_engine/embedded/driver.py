"""Calls of many threads on one engine (shell: any thread, and one of its own for maintenance).

The engine wants to be driven by one thread at a time: that is whoever holds `mutex`. A call does
its work in memory under the mutex, hands over its group, and waits for the group outside of it. So
the next thread's changes join the group that waits while the log is busy, and one sync serves them
all. Nothing that reads the disk or waits for it happens under the mutex, except that

- a range seeks and reads its first rows there;
- a group that may not grow any more has to be taken by the log thread first.

**Interrupted calls.** Ctrl-C may end a call anywhere, also between two changes of one batch. The
next call then finds the group still open, drops it, and tells those who wait for it.

**After a fork** the engine is of no use in the child: every call raises `EngineClosedError` there,
and nothing of it is ever closed by the child.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from kiwi_engine.clock import sleep
from kiwi_engine.commit.group import Entry
from kiwi_engine.config.settings import Settings
from kiwi_engine.embedded.history import WriteHistory
from kiwi_engine.embedded.lifetime import watch
from kiwi_engine.embedded.waiting import Waiter, Waiters
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.from_settings import engine_settings
from kiwi_engine.engine.pins import Pin, PinKind
from kiwi_engine.engine.snapshot import SnapshotTaker, StoreSnapshot
from kiwi_engine.errors import (
    EngineClosedError,
    EnginePoisonedError,
    ReplyError,
    UnknownOutcomeError,
)
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.vlog.format import decode_pointer
from kiwi_engine.vlog.separated import LargeValue, Separated

logger = logging.getLogger(__name__)

TICK_S: Final = 0.005
# Between ticks while nothing is written and no background job runs.
IDLE_TICK_S: Final = 0.1
_POLL_PAUSE_S: Final = 0.001

Rows = Iterable[tuple[bytes, bytes | None]]
Ranges = Iterable[tuple[bytes, bytes]]


class Driver:
    """One open directory; `close` is safe from any thread."""

    def __init__(self, directory: str, settings: Settings) -> None:
        """Open `directory`; raises what `engine.engine.Engine.open` does."""
        self.settings = settings
        # Held by whoever drives the engine. Guards everything below that has no lock of its own.
        self.mutex = threading.Lock()
        self.history = WriteHistory()
        self.waiters = Waiters()
        # A group was begun and not ended.
        self._is_writing = False
        self._interrupted_groups = 0
        self._views: set[StoreSnapshot] = set()
        self._to_release: deque[Callable[[], None]] = deque()
        # Why calls are refused, once they are; `_is_closed` when that has been carried out.
        self._closed_because = ""
        self._is_closed = False
        self._close_lock = threading.Lock()
        # Set by a finalizer: nobody can close it any more but the maintenance thread.
        self.is_forsaken = False
        self._alarm = threading.Event()
        deliver = self.waiters.deliver
        self.engine = Engine.open(directory, engine_settings(settings), tally, deliver)
        self._taker = SnapshotTaker(self.engine.store, self.engine.opened.index)
        self._thread = threading.Thread(target=self._serve, name="kiwi-maintain", daemon=True)
        self._thread.start()
        watch(self)

    # ---- writing

    def write(
        self, changes: Rows, ranges: Ranges = (), check: Callable[[], None] | None = None
    ) -> None:
        """Delete `ranges`, then set `changes`, all or nothing; returns once it is durable.

        Both are looked at twice. `check` is called first, under the mutex, and may raise a
        `KiwiError`. Raises `DiskFullError` or `EnginePoisonedError` where writes are refused,
        `UnknownOutcomeError` where the log failed while this write was on its way.
        """
        waiter = Waiter()
        while True:
            with self.mutex:
                delay_s = self.ready().write_delay_s()
                if not delay_s:
                    self._write_now(changes, ranges, check, waiter)
                    break
            sleep(delay_s)
        self.waiters.wait(waiter)
        if waiter.error is not None:
            raise again(waiter.error)

    def _write_now(
        self, changes: Rows, ranges: Ranges, check: Callable[[], None] | None, waiter: Waiter
    ) -> None:
        engine = self.engine
        if engine.refusal is not None:
            raise again(engine.refusal)
        if check is not None:
            check()
        self._is_writing = True
        engine.begin()
        store = engine.store
        for begin, end in ranges:
            store.delete_range(begin, end)
        for key, value in changes:
            if value is None:
                store.delete(key)
            else:
                store.put(key, value)
        self.history.record((key for key, _ in changes), ranges)
        engine.answer(self.waiters.expect(waiter), b"", 1)
        engine.end()
        self._is_writing = False

    # ---- reading

    def ready(self) -> Engine:
        """Under the mutex: the engine, showing nothing that could not be committed."""
        if self._closed_because:
            raise EngineClosedError(self._closed_because)
        engine = self.engine
        if self._is_writing:
            self._drop_interrupted()
        engine.refresh()
        return engine

    def barrier(self) -> Waiter | None:
        """Under the mutex: a waiter for all that was written so far, None if it is acknowledged."""
        engine = self.ready()
        if engine.everything_is_acknowledged:
            return None
        waiter = Waiter()
        self._is_writing = True
        engine.begin()
        engine.answer(self.waiters.expect(waiter), b"", 1)
        engine.end()
        self._is_writing = False
        return waiter

    def is_acknowledged(self, waiter: Waiter | None) -> bool:
        """Wait outside the mutex; False: what was read meanwhile may have been taken back."""
        if waiter is None:
            return True
        self.waiters.wait(waiter)
        return waiter.error is None

    @contextmanager
    def outside(self, kind: PinKind = "read") -> Iterator[Pin]:
        """Read files without the mutex, under a pin; `close` waits for it."""
        with self.mutex:
            pin = self.ready().pins.take(kind)
        with pin:
            yield pin

    def value_of(self, key: bytes, entry: Entry) -> bytes:
        """The value of a present entry, which a pin of the caller's keeps readable."""
        if type(entry) is bytes:
            return entry
        if type(entry) is LargeValue:
            return entry.value
        assert isinstance(entry, Separated)
        with self.outside():
            return self.engine.opened.value_reader.read(key, decode_pointer(entry.pointer))

    # ---- views

    def take_snapshot(self, kind: PinKind) -> StoreSnapshot:
        """Under the mutex: everything as it is now; to be let go of with `close_view`."""
        view = self._taker.take(self.engine.pins.take(kind))
        self._views.add(view)
        return view

    def close_view(self, view: StoreSnapshot) -> None:
        """Let go of a view."""
        self._views.discard(view)
        view.close()

    def release_soon(self, release: Callable[[], None]) -> None:
        """Have it called; for finalizers, which may run anywhere and must not take locks."""
        self._to_release.append(release)

    # ---- life

    def configure(self, settings: Settings) -> None:
        """Take over the settings that may change."""
        with self.mutex:
            engine = self.ready()
            self.settings = settings
            engine.configure(engine_settings(settings))

    def alarm(self) -> None:
        """Something is to be done: let the maintenance thread look at once."""
        self._alarm.set()

    def close(self) -> None:
        """Commit, sync and drain everything; release the directory. Closing twice is harmless."""
        with self._close_lock:
            if self._is_closed:
                return
            with self.mutex:
                if self._is_writing:
                    self._drop_interrupted()
                self._closed_because = "the engine is closed"
            self._alarm.set()
            if self._thread is not threading.current_thread():
                self._thread.join()
            while self.engine.pins.counts().get("read"):
                sleep(_POLL_PAUSE_S)
            with self.mutex:
                for view in list(self._views):
                    self.close_view(view)
                try:
                    self.engine.close()
                finally:
                    self._is_closed = True
                    self.waiters.wake_all()

    def abandon(self) -> None:
        """In a forked child: refuse everything, keep everything."""
        self.mutex, self._close_lock = threading.Lock(), threading.Lock()
        self._closed_because = "the engine was opened before this process was forked"
        self._is_closed = True
        for view in self._views:
            view.abandon()
        self.engine.opened.index.abandon()

    def _drop_interrupted(self) -> None:
        """Under the mutex: a call left its group half filled, and perhaps others' in it."""
        # Logged by the maintenance thread: an interrupt within `logging` leaves its lock taken.
        self._interrupted_groups += 1
        self.engine.drop_open_group()
        # The log thread has answered all groups that it was given.
        self.waiters.fail_all(UnknownOutcomeError("a write of the same group was interrupted"))
        # Last, because this may be interrupted, too.
        self._is_writing = False

    # ---- the maintenance thread

    def _serve(self) -> None:
        pause_s = TICK_S
        while True:
            self._alarm.wait(pause_s)
            self._alarm.clear()
            self._tell_of_interrupts()
            if self.is_forsaken:
                self.close()
            if self._closed_because:
                return
            try:
                pause_s = self._maintain()
            except EngineClosedError:
                return
            except Exception:
                logger.exception("the maintenance thread met a bug")
                self.engine.housekeeping.problem = EnginePoisonedError(
                    "the maintenance thread met a bug, see the log"
                )
                return

    def _maintain(self) -> float:
        """Do what is due; returns when to come again, in seconds."""
        self.waiters.wake_all()
        while self._to_release:
            self._to_release.popleft()()
        with self.mutex:
            engine = self.ready()
            self._taker.forget_unused()
            engine.maintain()
            return TICK_S if self._is_busy(engine) else IDLE_TICK_S

    def _tell_of_interrupts(self) -> None:
        with self.mutex:
            dropped, self._interrupted_groups = self._interrupted_groups, 0
        if dropped:
            logger.warning("%d groups of writes were interrupted, and are dropped", dropped)

    def _is_busy(self, engine: Engine) -> bool:
        return (
            not engine.everything_is_acknowledged
            or engine.housekeeping.jobs.any_is_running
            or engine.backups.in_progress
            or engine.store.draining is not None
            or engine.collector.state() not in ("idle", "held")
        )


def again(error: ReplyError) -> ReplyError:
    """A copy to raise: one object raised by many threads would collect all their tracebacks."""
    copy = type(error).__new__(type(error))
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    return copy
