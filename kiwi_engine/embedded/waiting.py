"""Calls that wait for their group (shell: any thread).

A delivered group wakes one of its threads, which wakes the next before it goes on, and so forth.
Waking all at once would have them all queue for the interpreter lock, and the log thread, which
wants to start the next sync, behind them. Should a thread be interrupted before it passed the turn
on, the next group or the maintenance thread (`wake_all`), within milliseconds, does it.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque

from kiwi_engine.commit.group import PendingReply
from kiwi_engine.errors import ReplyError


class Waiter:
    """One call. The lock is held until its group was delivered; `error` is valid then."""

    __slots__ = ("error", "is_delivered", "lock", "run")

    def __init__(self) -> None:
        self.run = 0
        self.error: ReplyError | None = None
        self.is_delivered = False
        self.lock = allocate_lock()
        self.lock.acquire()


class Waiters:
    """All calls that wait. `expect` and `fail_all` are for whoever holds the driver's mutex."""

    def __init__(self) -> None:
        self._runs = 0
        # Until they have been woken.
        self._waiting: dict[int, Waiter] = {}
        # Delivered, and not woken yet.
        self._to_wake: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, waiter: Waiter) -> int:
        """`waiter` waits for the run whose number is returned."""
        self._runs += 1
        waiter.run = self._runs
        self._waiting[self._runs] = waiter
        return self._runs

    def deliver(self, replies: list[PendingReply], error: ReplyError | None) -> None:
        """These runs are durable, or failed. Called by the log thread, or under the mutex."""
        for run, _, _ in replies:
            waiter = self._waiting.get(run)
            # None: it was interrupted while it waited.
            if waiter is not None:
                waiter.error = error
                waiter.is_delivered = True
                self._to_wake.append(waiter)
        self.wake_one()

    def fail_all(self, error: ReplyError) -> None:
        """Nobody will deliver any more."""
        waiting = list(self._waiting.items())
        self.deliver([(run, b"", 1) for run, waiter in waiting if not waiter.is_delivered], error)

    def wait(self, waiter: Waiter) -> None:
        """Return when the group of `waiter` was delivered."""
        try:
            waiter.lock.acquire()
        finally:
            self._waiting.pop(waiter.run, None)
            self.wake_one()

    def wake_one(self) -> None:
        """The next one whose group was delivered."""
        try:
            waiter = self._to_wake.popleft()
        except IndexError:
            return
        _wake(waiter)

    def wake_all(self) -> None:
        """Also those whose turn was lost; and forget those whose thread was interrupted."""
        while self._to_wake:
            self.wake_one()
        for run, waiter in list(self._waiting.items()):
            if waiter.is_delivered:
                self._waiting.pop(run, None)
                _wake(waiter)


def _wake(waiter: Waiter) -> None:
    try:
        waiter.lock.release()
    except RuntimeError:
        pass  # it was woken twice: by its turn and by `wake_all`
