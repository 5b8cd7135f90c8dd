"""A storage runtime's executor in this process, and the events that it emits."""

from __future__ import annotations

import shlex

from kiwi_engine.channel.events import Event
from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.commands.executor import Executor
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.server.storage.observer import StorageObserver
from kiwi_engine.testing.memory_store import MemoryStore

NOW = 1_700_000_000_000


class Storage:
    """`events` are those emitted so far."""

    def __init__(self) -> None:
        self.keyspace = Keyspace(MemoryStore(encoding.tally), seed=1)
        self.executor = Executor(self.keyspace)
        self.tracker = self.executor.tracker
        self.events: list[Event] = []
        self.now = NOW
        observer = StorageObserver(self.keyspace, self.events.append)
        self.executor.emit = self.tracker.emit = self.events.append
        self.tracker.on_use = lambda is_used: observer.set_tracker(
            self.tracker if is_used else None
        )

    def run(self, source: int, text: str, flags: int = 0, db: int = 0) -> list[bytes]:
        """The replies to commands that are separated by semicolons."""
        return self.execute(source, _split(text), flags, db)

    def execute(
        self, source: int, commands: list[list[bytes]], flags: int = 0, db: int = 0
    ) -> list[bytes]:
        """The replies to commands as words."""
        return self.executor.execute(db, False, commands, self.now, source, flags=flags)

    def read(self, source: int, text: str) -> list[bytes]:
        """The same for one who tracks."""
        return self.run(source, text, RunFlags.TRACKED)

    def transact(self, source: int, text: str, flags: int = 0) -> list[bytes]:
        """The same in a transaction."""
        replies = self.executor.transact(0, False, _split(text), self.now, source, flags=flags)
        assert replies is not None, "nothing is watched"
        return replies

    def take(self) -> list[Event]:
        """The events since the last call."""
        events, self.events[:] = self.events[:], []
        return events


def _split(text: str) -> list[list[bytes]]:
    return [[word.encode() for word in shlex.split(each)] for each in text.split(";")]
