"""Breaking the transactions that watch what has changed (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from kiwi_engine.channel.events import Event, WatchBroken
from kiwi_engine.clock import wall_ms
from kiwi_engine.commands.transactions.watched_keys import WatchedKeys
from kiwi_engine.server.storage.observer import StorageObserver


class WatchListener:
    """Listens while keys are watched, and tells the network runtime whose have changed."""

    def __init__(
        self, watched: WatchedKeys, observer: StorageObserver, emit: Callable[[Event], None]
    ) -> None:
        self._watched = watched
        self._observer = observer
        self._emit = emit
        watched.when_used = self._listen

    def _listen(self, is_used: bool) -> None:
        self._observer.set_listener("watched", self if is_used else None)

    def touched(self, db: int, key: bytes) -> None:
        self._tell(self._watched.touched(db, key))

    def flushed(self, databases: Iterable[int]) -> None:
        self._tell(self._watched.flushed(databases, wall_ms()))

    def _tell(self, broken: Set[int]) -> None:
        if broken:
            self._emit(WatchBroken(sorted(broken)))
