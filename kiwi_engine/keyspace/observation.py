"""Telling whoever listens what a command changed (pure).

Handlers say which key they changed, and by what, with the words of Redis' keyspace notifications.
Those feed the notifications themselves, WATCH, client-side caching and the waking of clients that
wait for a key. While nobody listens there is no observer, and saying so costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

# The classes of events, by the letters of `notify-keyspace-events`.
GENERIC: Final = "g"
STRING: Final = "$"
LIST: Final = "l"
SET: Final = "s"
HASH: Final = "h"
SORTED_SET: Final = "z"
EXPIRED: Final = "x"
EVICTED: Final = "e"
STREAM: Final = "t"
KEY_MISS: Final = "m"
NEW_KEY: Final = "n"
# A change that Redis tells WATCH and caching clients of, but nobody else.
SILENT: Final = ""


class Observer(Protocol):
    """Is told of each change on the executing thread, before the command's reply is made.

    `wants_expired`: also that of a key that is overwritten, which costs a look at it.
    `wants_misses`: reads that find nothing are told, too.
    """

    @property
    def wants_expired(self) -> bool: ...

    @property
    def wants_misses(self) -> bool: ...

    def changed(self, db: int, key: bytes, event_class: str, event: bytes) -> None:
        """`key` was changed; `event` is Redis' name for it, e.g. `lpush`."""

    def noted(self, db: int, key: bytes, event_class: str, event: bytes) -> None:
        """Something happened to `key` that leaves its value as it was for WATCH and for caches."""

    def flushed(self, databases: Iterable[int]) -> None:
        """Databases show something else: they were emptied or swapped."""


class Observation:
    """Holds the observer of a keyspace, or None; `tells_new_keys`: it wants to know of those."""

    __slots__ = ("observer", "tells_new_keys")

    def __init__(self) -> None:
        self.observer: Observer | None = None
        self.tells_new_keys = False
