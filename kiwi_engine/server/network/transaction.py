"""What a connection remembers between MULTI and EXEC, and of WATCH (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from kiwi_engine.server.network.footprint import footprint


class Transaction:
    """The commands queued since MULTI, until one is refused: EXEC will then refuse them all.

    `bytes` is about how much memory they take, `bytes_max` at most.
    """

    __slots__ = ("bytes", "bytes_max", "commands", "is_broken")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.commands: list[list[bytes]] = []
        self.bytes = 0
        self.is_broken = False

    def add(self, words: list[bytes]) -> bool:
        """Queue a command; False if there is no room for it, which breaks the transaction."""
        if self.is_broken:
            # It will not be run: no reason to keep it.
            return True
        self.bytes += footprint(words)
        if self.bytes > self.bytes_max:
            self.break_off()
            return False
        self.commands.append(words)
        return True

    def break_off(self) -> None:
        """A command was refused: none of them will be run."""
        self.is_broken = True
        self.commands.clear()
        self.bytes = 0


class Watching:
    """The keys that a connection watches, by database.

    The storage runtime decides whether a transaction may run. This copy is for its successor, which
    would not know what was watched: `is_broken` once a key has changed or may have.
    """

    __slots__ = ("is_broken", "keys")

    def __init__(self) -> None:
        self.keys: set[tuple[int, bytes]] = set()
        self.is_broken = False

    def add(self, db: int, keys: Iterable[bytes]) -> None:
        """WATCH was sent."""
        self.keys.update((db, key) for key in keys)

    def clear(self) -> None:
        """Nothing is watched any more."""
        self.keys.clear()
        self.is_broken = False
