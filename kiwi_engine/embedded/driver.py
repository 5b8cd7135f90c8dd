"""Calls of many threads on one engine (shell: any thread, and one of its own for maintenance).

The engine wants to be driven by one thread at a time: that is whoever holds `mutex`. A call does
its work in memory under the mutex, hands over its group, and waits for the group outside of it. So
the next thread's changes join the group that waits while the log is busy, and one sync serves them
all. Nothing that reads the disk or waits for it happens under the mutex, except that

- a range seeks and reads its first rows there;
- a group that may not grow any more has to be taken by the log thread first.

**Interrupted calls.** Ctrl-C may end a call anywhere. What happens under the mutex can be repaired
(`embedded.work`). What could not be, as it starts jobs, merges what they did, or closes, is done by
the maintenance thread, which is never interrupted: calls ask for it and wait.

**After a fork** the engine is of no use in the child: every call raises `EngineClosedError` there,
and nothing of it is ever closed by the child.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeVar
from weakref import ref

from kiwi_engine.clock import sleep
from kiwi_engine.commit.group import Entry
from kiwi_engine.commit.signal import Signal
from kiwi_engine.config.settings import Settings
from kiwi_engine.embedded.errands import Errand, Errands
from kiwi_engine.embedded.history import WriteHistory
from kiwi_engine.embedded.lifetime import watch
from kiwi_engine.embedded.waiting import Waiter, Waiters
from kiwi_engine.embedded.work import Work
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.from_settings import engine_settings
from kiwi_engine.engine.pins import Pin, PinKind
from kiwi_engine.engine.snapshot import SnapshotTaker, StoreSnapshot
from kiwi_engine.errors import EngineClosedError, EnginePoisonedError, ReplyError
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
Result = TypeVar("Result")


class Driver:
    """One open directory; `close` is safe from any thread."""

    def __init__(self, directory: str, settings: Settings) -> None:
        """Open `directory`; raises what `engine.engine.Engine.open` does."""
        self.settings = settings
        # Held by whoever drives the engine. Guards everything below that has no lock of its own.
        self.mutex = threading.Lock()
        self.history = WriteHistory()
        self.waiters = Waiters()
        # Open ones. One whose call was interrupted disappears when nobody holds it any more; not by
        # a `WeakSet`, whose code in Python may itself be interrupted.
        self._views: set[ref[StoreSnapshot]] = set()
        self._to_release: deque[Callable[[], None]] = deque()
        self._errands = Errands()
        # Of the maintenance thread: repairs that were logged, and whether it met a bug.
        self._repairs_told = 0
        self._has_failed = False
        # The maintenance thread is to close the engine; and has done so, perhaps with an error.
        self._is_closing = False
        self._is_closed = False
        self._close_error: BaseException | None = None
        # Held until then. An interrupted `Thread.join` takes the thread for one that has ended.
        self._is_open = threading.Lock()
        self._is_open.acquire()
        # Set by a finalizer: nobody can close it any more but the maintenance thread.
        self.is_forsaken = False
        # A signal, not an event: an interrupt inside of that one leaves its lock taken.
        self._alarm = Signal()
        deliver = self.waiters.deliver
        self.engine = Engine.open(directory, engine_settings(settings), tally, deliver)
        self.work = Work(self.engine, self.waiters)
        self._taker = SnapshotTaker(self.engine.store, self.engine.opened.index)
        self._thread = threading.Thread(target=self._serve, name="kiwi-maintain", daemon=True)
        try:
            self._thread.start()
            watch(self)
        except BaseException:
            self.is_forsaken = True
            raise

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
            with self.mutex, self.work as engine:
                delay_s = engine.write_delay_s()
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
        work = self.work
        work.is_writing = True
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
        work.is_writing = False

    # ---- reading

    def barrier(self) -> Waiter | None:
        """Within the work: waits for all that was written so far, None if it is acknowledged."""
        engine, work = self.engine, self.work
        if engine.everything_is_acknowledged:
            return None
        waiter = Waiter()
        work.is_writing = True
        engine.begin()
        engine.answer(self.waiters.expect(waiter), b"", 1)
        engine.end()
        work.is_writing = False
        return waiter

    def is_acknowledged(self, waiter: Waiter | None) -> bool:
        """Wait outside the mutex; False: what was read meanwhile may have been taken back."""
        if waiter is None:
            return True
        self.waiters.wait(waiter)
        return waiter.error is None

    def open_pin(self, pin: Pin) -> None:
        """Read files without the mutex from now on; `close` waits until it is open no more."""
        with self.mutex, self.work as engine:
            engine.pins.open(pin)

    def value_of(self, key: bytes, entry: Entry) -> bytes:
        """The value of a present entry, which a pin of the caller's keeps readable."""
        if type(entry) is bytes:
            return entry
        if type(entry) is LargeValue:
            return entry.value
        assert isinstance(entry, Separated)
        pin = Pin("read")
        try:
            self.open_pin(pin)
            return self.engine.opened.value_reader.read(key, decode_pointer(entry.pointer))
        finally:
            pin.is_open = False

    # ---- views

    def take_snapshot(self, kind: PinKind) -> StoreSnapshot:
        """Within the work: everything as it is now; to be let go of with `close_view`."""
        view = self._taker.take(self.engine.pins.take(kind))
        self._views.add(ref(view, self._views.discard))
        return view

    def close_view(self, view: StoreSnapshot) -> None:
        """Let go of a view."""
        view.close()
        self._views.discard(ref(view))

    def _open_views(self) -> list[StoreSnapshot]:
        return [view for entry in list(self._views) if (view := entry()) is not None]

    def release_soon(self, release: Callable[[], None]) -> None:
        """Have it called; for finalizers, which may run anywhere and must not take locks."""
        self._to_release.append(release)

    # ---- life

    def on_own_thread(self, function: Callable[[Engine], Result]) -> Result:
        """Have it called by the maintenance thread, within the work; returns its result.

        It is called even if the wait for it is interrupted, so it need not be repairable.
        """
        errand = Errand(function)
        self._errands.add(errand)
        if self._is_closed:
            # Perhaps too late to be refused by the thread.
            raise EngineClosedError(self.work.refused_because)
        self._alarm.wake()
        return errand.wait()

    def configure(self, settings: Settings) -> None:
        """Take over the settings that may change."""

        def take_over(engine: Engine) -> None:
            self.settings = settings
            engine.configure(engine_settings(settings))

        self.on_own_thread(take_over)

    def alarm(self) -> None:
        """Something is to be done: let the maintenance thread look at once."""
        self._alarm.wake()

    def close(self) -> None:
        """Commit, sync and drain everything; release the directory. Closing twice is harmless.

        It goes on when this wait for it is interrupted; closing once more waits again.
        """
        if not self._is_closed:
            self._is_closing = True
            self._alarm.wake()
            with self._is_open:
                pass
        error, self._close_error = self._close_error, None
        if error is not None:
            raise error

    def abandon(self) -> None:
        """In a forked child: refuse everything, keep everything."""
        self.mutex = threading.Lock()
        self.work.refused_because = "the engine was opened before this process was forked"
        self._is_closed = True
        for view in self._open_views():
            view.abandon()
        self.engine.opened.index.abandon()

    # ---- the maintenance thread

    def _serve(self) -> None:
        pause_s = TICK_S
        # Awaited all the time, so no alarm is lost.
        with self._alarm:
            while not (self._is_closing or self.is_forsaken):
                self._alarm.wait(pause_s)
                self._tell_of_repairs()
                self._run_errands()
                pause_s = self._maintain_if_sound()
        self._close_engine()

    def _run_errands(self) -> None:
        while (errand := self._errands.take()) is not None:
            try:
                with self.mutex, self.work as engine:
                    errand.result = errand.function(engine)
            except Exception as error:  # noqa: BLE001 - for the one who asked
                errand.error = error
            errand.end()

    def _maintain_if_sound(self) -> float:
        if self._has_failed:
            return IDLE_TICK_S
        try:
            return self._maintain()
        except Exception:
            logger.exception("the maintenance thread met a bug")
            self._has_failed = True
            self.engine.housekeeping.problem = EnginePoisonedError(
                "the maintenance thread met a bug, see the log"
            )
            return IDLE_TICK_S

    def _maintain(self) -> float:
        """Do what is due; returns when to come again, in seconds."""
        self.waiters.wake_all()
        while self._to_release:
            self._to_release.popleft()()
        with self.mutex, self.work as engine:
            self._taker.forget_unused()
            engine.maintain()
            return TICK_S if self._is_busy(engine) else IDLE_TICK_S

    def _tell_of_repairs(self) -> None:
        """By this thread, because an interrupt within `logging` leaves its lock taken."""
        repairs = self.work.repairs
        if repairs != self._repairs_told:
            count, self._repairs_told = repairs - self._repairs_told, repairs
            logger.warning("%d calls were interrupted; what they had begun is dropped", count)

    def _close_engine(self) -> None:
        try:
            with self.mutex:
                if self.work.is_unfinished:
                    self.work.repair()
                self.work.refused_because = "the engine is closed"
            self._tell_of_repairs()
            while self.engine.pins.counts().get("read"):
                sleep(_POLL_PAUSE_S)
            with self.mutex:
                for view in self._open_views():
                    view.close()
                self.engine.close()
        except BaseException as error:
            self._close_error = error
            if self.is_forsaken:
                logger.critical("the engine could not be closed", exc_info=error)
        self._is_closed = True
        self.waiters.wake_all()
        self._errands.refuse_all(EngineClosedError(self.work.refused_because))
        self._is_open.release()

    def _is_busy(self, engine: Engine) -> bool:
        return (
            not engine.everything_is_acknowledged
            or len(self.waiters) > 0
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
