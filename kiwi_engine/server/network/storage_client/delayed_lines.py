"""Connections that wait before a read of theirs is asked again (pure).

All that such a connection has sent behind that read waits with it, so that its order is kept;
other connections go on. The pause begins when there is a storage runtime again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from kiwi_engine.server.network.slots import ReplyLine, Slot


class _Delay:
    """`due_ns` is None as long as the pause has not begun."""

    __slots__ = ("due_ns", "pause_ns", "slots")

    def __init__(self) -> None:
        self.pause_ns = 0
        self.due_ns: int | None = None
        self.slots: deque[Slot] = deque()


class DelayedLines:
    """Each slot in here is in front of whatever its connection submits from now on.

    `lines` are the connections, for those who only look whether there are any.
    """

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: dict[ReplyLine, _Delay] = {}

    def __iter__(self) -> Iterator[Slot]:
        for delay in self.lines.values():
            yield from delay.slots

    def hold(self, line: ReplyLine, pause_ns: int) -> None:
        """Let a connection wait, at least so long."""
        delay = self.lines.setdefault(line, _Delay())
        delay.pause_ns = max(delay.pause_ns, pause_ns)

    def holds(self, line: ReplyLine) -> bool:
        """Whether what this connection submits has to wait."""
        return line in self.lines

    def holds_source(self, source: int) -> bool:
        """As `holds`, for a connection that is known by its number only."""
        return any(line.source == source for line in self.lines)

    def add(self, slot: Slot) -> None:
        """Behind all that its connection has in here."""
        self.lines[slot.line].slots.append(slot)

    def put_first(self, slot: Slot) -> None:
        """In front of all that its connection has in here."""
        self.lines[slot.line].slots.appendleft(slot)

    def begin(self, now_ns: int) -> None:
        """There is a storage runtime: the pauses begin."""
        for delay in self.lines.values():
            delay.due_ns = now_ns + delay.pause_ns

    def stop(self) -> None:
        """There is none: they begin anew with the next one."""
        for delay in self.lines.values():
            delay.due_ns = None

    def next_due_ns(self) -> int | None:
        """When the first pause is over; None: nothing waits, or no pause has begun."""
        due = [delay.due_ns for delay in self.lines.values() if delay.due_ns is not None]
        return min(due, default=None)

    def take_due(self, now_ns: int) -> list[Slot]:
        """The slots of connections whose pauses are over, in the order of each connection."""
        due = [
            line
            for line, delay in self.lines.items()
            if delay.due_ns is not None and delay.due_ns <= now_ns
        ]
        return [slot for line in due for slot in self.lines.pop(line).slots]

    def remove(self, is_wanted: Callable[[Slot], bool]) -> list[Slot]:
        """Take out all slots that `is_wanted` says."""
        found: list[Slot] = []
        for line, delay in list(self.lines.items()):
            removed = [slot for slot in delay.slots if is_wanted(slot)]
            if removed:
                found += removed
                gone = set(removed)
                delay.slots = deque(slot for slot in delay.slots if slot not in gone)
                if not delay.slots:
                    del self.lines[line]
        return found
