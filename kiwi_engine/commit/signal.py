"""One thread waits, others wake it (shell: any thread).

    with signal:                 from here on a `wake` is not lost
        while not it_is_so():
            signal.wait(seconds)

A condition would do the same, but whoever wakes holds its lock, for which the woken thread then has
to wait again while it holds up all others; and an interrupt (Ctrl-C) inside `Condition.wait` loses
track of the lock.
"""

from __future__ import annotations

from _thread import allocate_lock


class Signal:
    """For one waiting thread at a time. Waking one that does not wait costs next to nothing."""

    __slots__ = ("_is_awaited", "_lock")

    def __init__(self) -> None:
        # Written by the waiting thread only.
        self._is_awaited = False
        self._lock = allocate_lock()
        self._lock.acquire()

    def __enter__(self) -> None:
        self._is_awaited = True

    def __exit__(self, *details: object) -> None:
        self._is_awaited = False

    def wait(self, seconds: float) -> None:
        """Return when woken since the last `wait`, or after `seconds`; perhaps for no reason."""
        self._lock.acquire(timeout=seconds)

    def wake(self) -> None:
        """End the `wait` that is under way, or the next one."""
        if self._is_awaited and self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:
                pass  # somebody else woke it in between
