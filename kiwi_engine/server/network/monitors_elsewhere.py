"""Showing commands to those who monitor in other network processes (shell: event loop).

    worker                             primary
    MONITOR   ---- monitor_begins ---> has all others show what they execute
      its OK  <-------- answer ------- when they do
    a line    ---- monitor_line -----> shows it, and passes it on to where somebody monitors
    the end   ---- monitor_ends -----> of the last who monitors there

A line of one connection never overtakes another one of it: all of them take the same way. For that
the process of its connection passes on what a script calls, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from kiwi_engine.channel.numbering import PRIMARY, Numbering
from kiwi_engine.server.network.peers.peers import Peers

_BEGINS: Final = "monitor_begins"
_ENDS: Final = "monitor_ends"
_LINE: Final = "monitor_line"
# The numbers of the processes in which somebody monitors.
_PLACES: Final = "monitor_places"
# Of the primary, which itself waits for its workers, but not as long.
_PATIENCE_S: Final = 5.0


class Elsewhere(Protocol):
    """The monitors of the other processes, as one process sees them.

    `is_there`: somebody monitors elsewhere; `on_change` is called when that may have changed.
    `on_line` takes a line from elsewhere, encoded.
    """

    numbering: Numbering
    is_there: bool
    on_line: Callable[[bytes], None]
    on_change: Callable[[], None]

    async def begin(self) -> None:
        """Have all others show here what they execute; `KiwiError` if that cannot be."""

    def end(self) -> None:
        """Nobody monitors here any more, if anybody did."""

    def show(self, encoded: bytes) -> None:
        """Show a line elsewhere."""


class PrimaryElsewhere:
    """That of the primary, or of the only process there is."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.numbering = peers.numbering
        self.is_there = False
        self.on_line: Callable[[bytes], None] = lambda encoded: None
        self.on_change: Callable[[], None] = lambda: None
        # Where somebody monitors, or is about to.
        self._places: set[int] = set()
        peers.register(_BEGINS, self._begin)
        peers.register(_ENDS, self._end)
        peers.register(_LINE, self._pass_on)
        peers.watch(self._tell_newcomer, self._end)

    async def begin(self) -> None:
        await self._begin(PRIMARY)

    def end(self) -> None:
        self._end(PRIMARY)

    def show(self, encoded: bytes) -> None:
        self._pass_on((PRIMARY, encoded))

    async def _begin(self, process: int) -> None:
        self._places.add(process)
        self._settle()
        await self._peers.ask_workers(_PLACES, sorted(self._places))

    def _end(self, process: int) -> None:
        if process in self._places:
            self._places.discard(process)
            self._settle()
            self._peers.tell(_PLACES, sorted(self._places))

    def _tell_newcomer(self, worker: int) -> None:
        if self._places:
            self._peers.tell(_PLACES, sorted(self._places), to=worker)

    def _pass_on(self, parameters: Any) -> None:
        process, encoded = parameters
        for place in self._places:
            if place == process:
                continue
            if place == PRIMARY:
                self.on_line(encoded)
            else:
                self._peers.tell(_LINE, encoded, to=place)

    def _settle(self) -> None:
        self.is_there = any(place != PRIMARY for place in self._places)
        self.on_change()


class WorkerElsewhere:
    """That of a worker."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.numbering = peers.numbering
        self.is_there = False
        self.on_line: Callable[[bytes], None] = lambda encoded: None
        self.on_change: Callable[[], None] = lambda: None
        peers.register(_PLACES, self._settle)
        peers.register(_LINE, self._show_here)

    async def begin(self) -> None:
        await self._peers.ask_primary(_BEGINS, self.numbering.number, _PATIENCE_S)

    def end(self) -> None:
        self._peers.tell(_ENDS, self.numbering.number, to=PRIMARY)

    def show(self, encoded: bytes) -> None:
        self._peers.tell(_LINE, (self.numbering.number, encoded), to=PRIMARY)

    def _show_here(self, encoded: bytes) -> None:
        self.on_line(encoded)

    def _settle(self, places: list[int]) -> None:
        self.is_there = any(place != self.numbering.number for place in places)
        self.on_change()
