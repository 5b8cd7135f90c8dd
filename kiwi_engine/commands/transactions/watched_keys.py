"""Which connections watch which keys, and whose transactions may run (pure).

Only the executing thread touches it. It is in memory: after a restart of the storage runtime the
network runtime tells what is watched, see `rewatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kiwi_engine.keyspace.keyspace import Keyspace

# A key of a database.
Place = tuple[int, bytes]


class WatchedKeys:
    """`broken` are the connections that watch a key which has changed since.

    `when_used` is told when the first key is watched, and when none is any more.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._watchers: dict[Place, set[int]] = {}
        # What each connection watches, and whether there was such a key then.
        self._watched: dict[int, dict[Place, bool]] = {}
        self.broken: set[int] = set()
        self.when_used: Callable[[bool], None] = lambda is_used: None

    def __len__(self) -> int:
        """How many keys are watched."""
        return len(self._watchers)

    def sources(self) -> set[int]:
        """The connections that it has to forget some day."""
        return self.broken.union(self._watched)

    def watch(self, source: int, db: int, keys: Iterable[bytes], now_ms: int) -> None:
        """`source` watches `keys` as they are now."""
        database = self._keyspace.database(db)
        if not self._watchers:
            self.when_used(True)
        watched = self._watched.setdefault(source, {})
        for key in keys:
            place = (db, key)
            if place not in watched:
                watched[place] = database.head(key, now_ms) is not None
                self._watchers.setdefault(place, set()).add(source)

    def rewatch(self, source: int, db: int, key: bytes, now_ms: int) -> None:
        """As `watch`, for a key that was watched before a restart and has not changed since.

        It may have expired meanwhile, and whether it was there then is not known: a key that is not
        there now counts as changed.
        """
        self.watch(source, db, (key,), now_ms)
        if not self._watched[source][db, key]:
            self.broken.add(source)

    def touched(self, db: int, key: bytes) -> set[int]:
        """`key` has changed; the connections that watched it, and whose keys had not changed."""
        watchers = self._watchers.get((db, key))
        if not watchers:
            return set()
        newly = watchers - self.broken
        self.broken |= newly
        return newly

    def flushed(self, databases: Iterable[int], now_ms: int) -> set[int]:
        """Databases were emptied, or show others: as `touched` for all keys there were or are."""
        changed = set(databases)
        newly: set[int] = set()
        for place, watchers in self._watchers.items():
            if place[0] in changed:
                newly |= {
                    source
                    for source in watchers
                    if self._watched[source][place] or self._lives(place, now_ms)
                }
        newly -= self.broken
        self.broken |= newly
        return newly

    def may_run(self, source: int, now_ms: int) -> bool:
        """Whether the transaction of `source` may run: nothing it watches changed or expired."""
        if source in self.broken:
            return False
        watched = self._watched.get(source)
        return not watched or not any(
            existed and not self._lives(place, now_ms) for place, existed in watched.items()
        )

    def forget(self, source: int) -> None:
        """`source` watches nothing any more."""
        self.broken.discard(source)
        watched = self._watched.pop(source, None)
        if watched is None:
            return
        for place in watched:
            watchers = self._watchers[place]
            watchers.discard(source)
            if not watchers:
                del self._watchers[place]
        if not self._watchers:
            self.when_used(False)

    def _lives(self, place: Place, now_ms: int) -> bool:
        db, key = place
        return self._keyspace.database(db).head(key, now_ms) is not None
