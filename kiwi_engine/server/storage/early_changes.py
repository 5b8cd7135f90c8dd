"""Whether a key was changed since the start (pure).

After a restart each network process tells which keys its connections watched before
(`rewatch`). With several of them another one may have written meanwhile; so the keys that are
changed first are remembered. Beyond `CHANGES_MAX` changes any key may have been changed: a
transaction that is not run for nothing is made anew, one that runs for nothing is a lost update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

CHANGES_MAX: Final = 10_000


class EarlyChanges:
    """A listener of the keyspace. `when_over` is called once: there is no more to listen for."""

    def __init__(self, when_over: Callable[[], None], changes_max: int = CHANGES_MAX) -> None:
        self._when_over = when_over
        self._changes_left = changes_max
        self._keys: set[tuple[int, bytes]] = set()

    def touched(self, db: int, key: bytes) -> None:
        self._keys.add((db, key))
        self._changes_left -= 1
        if self._changes_left == 0:
            self._end()

    def flushed(self, databases: Iterable[int]) -> None:
        self._end()

    def may_include(self, db: int, key: bytes) -> bool:
        """Whether a key may have been changed since the start."""
        return self._changes_left <= 0 or (db, key) in self._keys

    def _end(self) -> None:
        self._changes_left = 0
        self._keys.clear()
        self._when_over()
