"""What waits to be sent, and what of it makes the next frame (pure).

    urgent queries | runs, queries and departures in the order of their submission | delayed lines

Urgent queries depend on nothing and leave first. The runs of one connection never overtake each
other; a query is carried out behind all runs that were submitted before it. The storage runtime
runs a frame's runs before its queries, so a run behind a query begins another frame.

A frame is bounded, so that what comes next never waits long for a frame that is being executed. It
may exceed its bounds by one run, which is what a client sent in one piece.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from kiwi_engine.channel.frames import Query
from kiwi_engine.server.network.slots import Slot
from kiwi_engine.server.network.storage_client.delayed_lines import DelayedLines

# What takes the storage runtime some milliseconds.
FRAME_COMMANDS: Final = 2000
FRAME_BYTES: Final = 256 * 1024
# Of these the parameters say what is to hold from now on: the later say all that matters of two
# that follow each other. So what can wait is bounded by the runs in between.
_REPLACED: Final = frozenset(("config_set", "tracking", "monitor_scripts"))
# Its parameter is a list, which may just as well be longer.
_JOINED: Final = {"unwatch": "sources"}


class Departure(NamedTuple):
    """A connection has ended: behind its last run."""

    source: int


class Frame(NamedTuple):
    """What is to be sent together; `commands` are those of its runs."""

    commands: int
    slots: list[Slot]
    queries: list[Query]
    gone: list[int]
    urgent: list[Query]


Item = Slot | Query | Departure


class Outbox:
    """Owned by the `StorageClient`."""

    __slots__ = ("_behind_delays", "_items", "_urgent", "delayed", "frame_bytes", "frame_commands")

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._urgent: list[Query] = []
        self.delayed = DelayedLines()
        # Asked for clients, or told of them, while some of their earlier runs may be delayed.
        self._behind_delays: list[Item] = []
        self.frame_commands = FRAME_COMMANDS
        self.frame_bytes = FRAME_BYTES

    # ---- in

    def add(self, slot: Slot) -> None:
        """Behind all that its connection has submitted."""
        if self.delayed.lines and self.delayed.holds(slot.line):
            self.delayed.add(slot)
        else:
            self._items.append(slot)

    def ask(self, query: Query, *, is_urgent: bool) -> None:
        """An urgent query leaves first, any other one behind all that was submitted before."""
        if is_urgent:
            self._urgent.append(query)
        elif self.delayed.lines:
            self._behind_delays.append(query)
        else:
            self._items.append(query)

    def tell(self, query: Query) -> None:
        """In front of all that is submitted from now on."""
        self._items.append(query)

    def join(self, method: str, parameters: dict[str, Any]) -> bool:
        """Say it with the query that waits at the end, if that is of the same kind."""
        last = self._items[-1] if self._items else None
        if not isinstance(last, Query) or last.method != method:
            return False
        if method in _REPLACED:
            joined = last.parameters | parameters
        elif method in _JOINED:
            name = _JOINED[method]
            joined = {name: last.parameters[name] + parameters[name]}
        else:
            return False
        self._items[-1] = Query(last.id, method, joined)
        return True

    def depart(self, source: int) -> None:
        """A connection has ended."""
        if self.delayed.holds_source(source):
            self._behind_delays.append(Departure(source))
        else:
            self._items.append(Departure(source))

    def put_first(self, items: Iterable[Item]) -> None:
        """In front of all that is in order, or of all that its connection has delayed."""
        for item in reversed(list(items)):
            if isinstance(item, Slot) and self.delayed.holds(item.line):
                self.delayed.put_first(item)
            else:
                self._items.appendleft(item)

    def collect_delayed(self) -> None:
        """Let the runs of connections that have begun to wait wait with them."""
        kept: deque[Item] = deque()
        for item in self._items:
            if isinstance(item, Slot) and self.delayed.holds(item.line):
                self.delayed.add(item)
            else:
                kept.append(item)
        self._items = kept

    def release_due(self, now_ns: int) -> None:
        """Take back connections whose pauses are over."""
        self._items.extend(self.delayed.take_due(now_ns))
        if not self.delayed.lines:
            self._items.extend(self._behind_delays)
            self._behind_delays.clear()

    # ---- out

    def __bool__(self) -> bool:
        """Whether there is something for a next frame."""
        return bool(self._items or self._urgent)

    def next_frame(self) -> Frame | None:
        """Take out what is to be sent together; None if there is nothing."""
        items, urgent = self._items, self._urgent
        if not (items or urgent):
            return None
        self._urgent = []
        slots: list[Slot] = []
        queries: list[Query] = []
        gone: list[int] = []
        commands = size = 0
        commands_max, bytes_max = self.frame_commands, self.frame_bytes
        while items:
            item = items.popleft()
            if isinstance(item, Slot):
                if commands >= commands_max or size >= bytes_max or queries:
                    items.appendleft(item)
                    break
                commands += len(item.commands)
                size += item.bytes
                slots.append(item)
            elif isinstance(item, Query):
                queries.append(item)
            elif queries:
                items.appendleft(item)
                break
            else:
                gone.append(item.source)
        return Frame(commands, slots, queries, gone, urgent)

    def waiting_runs(self) -> int:
        """How many runs wait to be sent."""
        return sum(isinstance(item, Slot) for item in self._items) + sum(1 for _ in self.delayed)

    def remove_runs(self, is_wanted: Callable[[Slot], bool]) -> list[Slot]:
        """Take out the runs that `is_wanted` says, wherever they wait."""
        removed = [item for item in self._items if isinstance(item, Slot) and is_wanted(item)]
        if removed:
            gone = set(removed)
            self._items = deque(
                item for item in self._items if not (isinstance(item, Slot) and item in gone)
            )
        return removed + self.delayed.remove(is_wanted)

    def remove_queries(self, is_wanted: Callable[[Query], bool]) -> None:
        """Take out the queries that `is_wanted` says: nobody waits for their answers."""

        def stays(item: Item) -> bool:
            return not (isinstance(item, Query) and is_wanted(item))

        self._items = deque(filter(stays, self._items))
        self._behind_delays = list(filter(stays, self._behind_delays))
        self._urgent = list(filter(stays, self._urgent))
