"""Runs command lines in this process, at times that the test sets."""

from __future__ import annotations

import shlex

from kiwi_engine.commands.executor import Executor
from kiwi_engine.keyspace import encoding
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.testing.memory_store import MemoryStore

NOW = 1_700_000_000_000
WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"


class Session:
    """One client of an engine in memory; `now` is the time of its next command."""

    def __init__(self) -> None:
        self.store = MemoryStore(encoding.tally)
        self.keyspace = Keyspace(self.store, seed=1)
        self.executor = Executor(self.keyspace)
        self.now = NOW
        self.database = 0
        self.resp3 = False

    def words(self, *words: bytes) -> bytes:
        """The raw reply to one command."""
        return self.executor.execute(self.database, self.resp3, [list(words)], self.now)[0]

    def run(self, line: str) -> bytes:
        """The raw reply to one command, split as a shell would."""
        return self.words(*(word.encode() for word in shlex.split(line)))

    def put_other_kind(self, key: bytes, deadline_ms: int = 0) -> None:
        """Store something at `key` that is no string."""
        value = encoding.with_deadline(b"\x02members", deadline_ms)
        self.keyspace.database(self.database).write_value(key, value)
