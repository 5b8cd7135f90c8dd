"""Network processes agree on what was lost with a storage process (shell: event loop).

    joined(storage)   ->   all others    it uses this storage process from now on
    lost(report)      ->   all others    that has ended; what its unanswered writes may have changed

Before a network process uses another storage process it waits for the reports of all that had
joined the one that was lost, but not for long: who has ended, or hangs, may have had any write
under way (`shared_losses`). A channel can also end while the storage process lives: who joins it
once more takes back its report.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from kiwi_engine.channel.events import StorageBegan
from kiwi_engine.server.network.lost_runs import Touched
from kiwi_engine.server.network.peers.peers import Peers
from kiwi_engine.server.network.shared_losses import Report, moves_of, touched_by_all
from kiwi_engine.server.network.slots import Slot

logger = logging.getLogger(__name__)

# Beyond that anything may have been changed.
PATIENCE_S: Final = 1.0
_JOINED: Final = "storage_joined"
_LOST: Final = "storage_lost"


class LossExchange:
    """Of one network process. `conclude` is told what all of them have lost."""

    def __init__(self, peers: Peers, conclude: Callable[[Touched], None]) -> None:
        self._peers = peers
        self._conclude = conclude
        # Which storage process the channel leads to, and which one was lost last, until agreed.
        self._storage = 0
        self._lost = 0
        # By storage process: who has joined, and the reports of those that have lost it.
        self._members: dict[int, set[int]] = {}
        self._reports: dict[int, dict[int, Report]] = {}
        self._go: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        peers.register(_JOINED, self._joined)
        peers.register(_LOST, self._told)
        peers.watch(self._introduce, lambda number: None)

    def storage_began(self, event: StorageBegan) -> None:
        """There is a channel to a storage process, which is used when that is agreed."""
        self._storage = event.identity

    def join(self) -> None:
        """It is used."""
        self._joined([self._storage, self._number])
        self._peers.tell(_JOINED, [self._storage, self._number])

    def lost(self, touched: Touched, waiting: Iterable[Slot]) -> None:
        """The channel has ended; `waiting` are the runs that go on waiting, for all it knows."""
        self._lost = self._storage
        keys = list(touched.keys)
        report = Report(self._number, self._lost, touched.everything, keys, moves_of(waiting))
        self._take(report)
        self._peers.tell(_LOST, report)

    def agree(self, go: Callable[[], None]) -> None:
        """Call `go` when it is known what all have lost; at once if nothing was."""
        if not self._lost:
            go()
            return
        self._go = go
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._settle)
        self._settle_if_complete()

    @property
    def _number(self) -> int:
        return self._peers.numbering.number

    def _introduce(self, newcomer: int) -> None:
        """Tell a worker that starts who is there."""
        for member in self._members.get(self._storage, ()):
            self._peers.tell(_JOINED, [self._storage, member], to=newcomer)

    def _joined(self, parameters: Any) -> None:
        storage, process = parameters
        self._members.setdefault(storage, set()).add(process)
        self._reports.get(storage, {}).pop(process, None)

    def _told(self, parameters: Any) -> None:
        self._take(msgspec.convert(parameters, Report))
        self._settle_if_complete()

    def _take(self, report: Report) -> None:
        self._reports.setdefault(report.storage, {})[report.process] = report

    def _missing(self) -> set[int]:
        """Who has not told what it has lost."""
        return self._members[self._lost] - self._reports[self._lost].keys()

    def _settle_if_complete(self) -> None:
        if self._go is not None and not self._missing():
            self._settle()

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        go, self._go, self._timer = self._go, None, None
        assert go is not None, "somebody waits"
        missing = self._missing()
        if missing:
            logger.warning(
                "network processes %s have not told what they lost with the storage process: "
                "any key may have been changed",
                sorted(missing),
            )
        reports = list(self._reports[self._lost].values())
        self._forget_others()
        self._lost = 0
        self._conclude(touched_by_all(reports, are_all=not missing))
        go()

    def _forget_others(self) -> None:
        """Keep what is known of the storage process that is used now: others may have lost it."""
        for known in (self._members, self._reports):
            for storage in known.keys() - {self._storage}:
                del known[storage]
