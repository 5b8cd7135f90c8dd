"""Runs that have to wait until writes may go on (pure).

The runs of one connection keep their order, whether they write or read; connections take turns, so
one that sends much does not make the others wait longer. How much can wait is bounded by the
channel: every run in here holds its credits.
"""

from __future__ import annotations

from collections import deque

import msgspec

from kiwi_engine.channel.frames import RunFlags


class DeferredRun(msgspec.Struct, gc=False):
    """A decoded run, so that it does not keep the frame that it came in.

    `deadline_ns`: it is answered by then, even if it was not executed.
    """

    id: int
    source: int
    db: int
    resp3: bool
    commands: list[list[bytes]]
    writes: bool
    deadline_ns: int
    flags: int = 0
    user: str = ""
    arrived_ns: int = 0


class DeferredRuns:
    """A queue for each connection, and the order in which the connections take turns."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[DeferredRun]] = {}
        # Connections whose next run only reads, because what it waited for is done.
        self._readers: deque[int] = deque()
        # Those whose next run writes, in the order of their turns.
        self._writers: dict[int, None] = {}
        self.commands = 0
        self.reset_statistics()

    def reset_statistics(self) -> None:
        self.commands_peak = self.commands
        self.commands_total = 0

    def __len__(self) -> int:
        """How many connections wait."""
        return len(self._queues)

    def sources(self) -> list[int]:
        """The connections that wait."""
        return list(self._queues)

    def holds(self, source: int) -> bool:
        """Whether an earlier run of this connection waits."""
        return source in self._queues

    def forget_wait(self, source: int) -> None:
        """A connection has ended: should its last command be one that waits, take that out."""
        queue = self._queues.get(source)
        if queue is not None and queue[-1].flags & RunFlags.BLOCKING:
            self.commands -= len(queue[-1].commands)
            queue[-1].commands = []

    def add(self, run: DeferredRun) -> None:
        """At the end of its connection's queue."""
        self.commands += len(run.commands)
        self.commands_total += len(run.commands)
        self.commands_peak = max(self.commands_peak, self.commands)
        queue = self._queues.get(run.source)
        if queue is None:
            self._queues[run.source] = deque((run,))
            self._take_turn(run)
        else:
            queue.append(run)

    def take(self, *, may_write: bool) -> DeferredRun | None:
        """The run whose turn it is; None if all of them have to wait on."""
        if self._readers:
            return self._pop(self._readers.popleft())
        if may_write and self._writers:
            source = next(iter(self._writers))
            del self._writers[source]
            return self._pop(source)
        return None

    def take_late(self, now_ns: int) -> DeferredRun | None:
        """A run that has waited until its deadline; looks at one run of each connection."""
        for source in self._writers:
            if self._queues[source][0].deadline_ns <= now_ns:
                del self._writers[source]
                return self._pop(source)
        return None

    def _pop(self, source: int) -> DeferredRun:
        queue = self._queues[source]
        run = queue.popleft()
        self.commands -= len(run.commands)
        if queue:
            self._take_turn(queue[0])
        else:
            del self._queues[source]
        return run

    def _take_turn(self, run: DeferredRun) -> None:
        if run.writes:
            self._writers[run.source] = None
        else:
            self._readers.append(run.source)
