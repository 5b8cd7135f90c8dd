"""What the maintenance thread is asked to do for others (shell: any thread asks).

A program's call may be interrupted at any moment, the maintenance thread never is. So it does what
could not be repaired: whatever starts a job, takes its result, or changes the settings.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from kiwi_engine.engine.engine import Engine
from kiwi_engine.errors import KiwiError

Result = TypeVar("Result")


class Errand(Generic[Result]):
    """One call of `function`; `result` or `error` are valid when `wait` has returned."""

    def __init__(self, function: Callable[[Engine], Result]) -> None:
        self.function = function
        self.result: Result
        self.error: BaseException | None = None
        # Held until it was run or refused.
        self._lock = allocate_lock()
        self._lock.acquire()

    def end(self) -> None:
        """Let go of whoever waits."""
        self._lock.release()

    def wait(self) -> Result:
        """Its result, or what it was refused with. If the wait is interrupted, it is run anyway."""
        self._lock.acquire()
        if self.error is not None:
            raise self.error
        return self.result


class Errands:
    """Those that wait for the maintenance thread, in their order."""

    def __init__(self) -> None:
        self._queue: deque[Errand[Any]] = deque()

    def add(self, errand: Errand[Any]) -> None:
        """Any thread."""
        self._queue.append(errand)

    def take(self) -> Errand[Any] | None:
        """The next one; to be run, and ended."""
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def refuse_all(self, error: KiwiError) -> None:
        """Nobody will run them any more."""
        while (errand := self.take()) is not None:
            errand.error = error
            errand.end()
