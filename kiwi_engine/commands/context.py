"""What a command handler is given (pure).

One `Context` is reused for all commands of a run; only the executing thread touches it.
"""

from __future__ import annotations

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.keyspace import Keyspace


class Context:
    """The surroundings of one command: where it runs, when, and how it must answer.

    `now_ms` is the wall clock, read once a run: all commands of a pipeline see one time.
    `db` is the selected database (the same object for a database at all times).
    """

    __slots__ = ("db", "keyspace", "now_ms", "null", "resp3")

    def __init__(self, keyspace: Keyspace, db: Database, now_ms: int, resp3: bool) -> None:
        self.keyspace = keyspace
        self.db = db
        self.now_ms = now_ms
        self.resp3 = resp3
        self.null = b"_\r\n" if resp3 else b"$-1\r\n"
