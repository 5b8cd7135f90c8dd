"""One call's work in memory, and what becomes of it when it is interrupted (shell: any thread).

    with driver.mutex, driver.work as engine:
        ...

Ctrl-C may end a call between any two steps: two changes of a batch, a change and its note in the
order of the keys, a group and its hand-over. Reads, too, put things in order that they find in
disorder. So a block that did not reach its end counts as unfinished, and the next one begins with
the repair: all that was handed over is committed, memory is built anew from that, and who waits for
anything else is told so. After the interrupt of a read nothing is lost by that.

The mutex is a lock of C, and comes first: CPython runs no signal's handler between its acquisition
and the block, nor between the block and its release. It may run one at the beginning of the two
methods here, which does no harm.
"""

from __future__ import annotations

from types import TracebackType

from kiwi_engine.embedded.waiting import Waiters
from kiwi_engine.engine.engine import Engine
from kiwi_engine.errors import EngineClosedError, KiwiError, UnknownOutcomeError


class Work:
    """Of one engine; to be entered by whoever holds its mutex, which guards all of this."""

    __slots__ = ("_engine", "_waiters", "is_unfinished", "is_writing", "refused_because", "repairs")

    def __init__(self, engine: Engine, waiters: Waiters) -> None:
        self._engine = engine
        self._waiters = waiters
        # Why calls are refused, once they are.
        self.refused_because = ""
        # Somebody is at work, or was interrupted.
        self.is_unfinished = False
        # A group was begun and not ended: not even a `KiwiError` may end the work now.
        self.is_writing = False
        # How often something had to be repaired.
        self.repairs = 0

    def __enter__(self) -> Engine:
        """The engine, showing nothing that could not be committed."""
        if self.refused_because:
            raise EngineClosedError(self.refused_because)
        if self.is_unfinished:
            self.repair()
        self.is_unfinished = True
        engine = self._engine
        engine.refresh()
        return engine

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A `KiwiError` says that something may not be done, before it is begun.
        if kind is None or (issubclass(kind, KiwiError) and not self.is_writing):
            self.is_unfinished = False

    def repair(self) -> None:
        """After a call that was interrupted; may itself be interrupted, and is made again then."""
        self.repairs += 1
        self._engine.drop_open_group()
        # The log thread has answered all groups that it was given.
        self._waiters.fail_all(UnknownOutcomeError("a write of the same group was interrupted"))
        self.is_writing = False
        self.is_unfinished = False
