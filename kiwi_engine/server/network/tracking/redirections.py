"""Telling connections of other network processes what others have read and may be stale (shell).

    process of the one who tracks        primary          process of the one who is told
    ---- redirected ------------------> passes it on ---> sends it
    <--- redirect_broken --------------------------------- or else has no such connection

Runs on the event loop. The order is that of the links. A message that is on its way to a process
that dies is lost, as the connection is that it was for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from kiwi_engine.channel.numbering import PRIMARY, owner_of
from kiwi_engine.errors import KiwiError
from kiwi_engine.server.network.peers.peers import Peers

_REDIRECTED: Final = "redirected"
_BROKEN: Final = "redirect_broken"
_EXISTS: Final = "connection_exists"
# Of a worker: the primary waits for another one, but not as long.
_PATIENCE_S: Final = 5.0


class Ends(NamedTuple):
    """What redirections do in this process.

    `has(connection)`; `deliver(connection, keys)` says whether there is such a connection, where
    keys are None for all; `note_broken(tracker, connection)`: there is none.
    """

    has: Callable[[int], bool]
    deliver: Callable[[int, list[bytes] | None], bool]
    note_broken: Callable[[int, int], None]


class Redirections:
    """Those that cross processes; one in each of them."""

    def __init__(self, peers: Peers, ends: Ends) -> None:
        self._peers = peers
        self._numbering = peers.numbering
        self._ends = ends
        # Of the primary: the workers that run.
        self._workers: set[int] = set()
        peers.register(_REDIRECTED, self._redirected)
        peers.register(_BROKEN, self._broken)
        peers.register(_EXISTS, self._is_there)
        peers.watch(self._workers.add, self._workers.discard)

    def crosses(self, connection: int) -> bool:
        """Whether a connection would be one of another process."""
        return not self._numbering.owns(connection)

    async def exists(self, connection: int) -> bool:
        """Whether there is a connection, as far as its process answers in time."""
        if not self._peers.is_primary and self.crosses(connection):
            found = await self._peers.ask_primary(_EXISTS, connection, _PATIENCE_S)
        else:
            found = await self._is_there(connection)
        return bool(found)

    def send(self, connection: int, tracker: int, keys: list[bytes] | None) -> None:
        """Tell a connection of another process; that of `tracker` hears if there is none."""
        parameters = (connection, tracker, keys)
        if self._peers.is_primary:
            self._redirected(parameters)
        else:
            self._peers.tell(_REDIRECTED, parameters, to=PRIMARY)

    async def _is_there(self, connection: int) -> bool:
        owner = self._owner(connection)
        if owner == self._numbering.number:
            return self._ends.has(connection)
        if owner not in self._workers:
            return False
        try:
            return bool(await self._peers.ask_worker(owner, _EXISTS, connection))
        except KiwiError:
            # It is about to start, so that it has none, or hangs or has died and is replaced.
            return False

    def _redirected(self, parameters: Any) -> None:
        connection, tracker, keys = parameters
        owner = self._owner(connection)
        if owner == self._numbering.number:
            is_there = self._ends.deliver(connection, keys)
        else:
            is_there = owner in self._workers
            if is_there:
                self._peers.tell(_REDIRECTED, parameters, to=owner)
        if is_there:
            return
        if self.crosses(tracker):
            self._peers.tell(_BROKEN, (tracker, connection), to=self._owner(tracker))
        else:
            self._ends.note_broken(tracker, connection)

    def _broken(self, parameters: Any) -> None:
        self._ends.note_broken(*parameters)

    def _owner(self, connection: int) -> int:
        return owner_of(connection, self._numbering.count)
