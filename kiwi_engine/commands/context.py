"""What a command handler is given (pure).

One `Context` is reused for all commands of a run, another made for each transaction and script;
only the executing thread touches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.observation import GENERIC

if TYPE_CHECKING:
    from kiwi_engine.commands.executor import Executor
    from kiwi_engine.commands.transactions.watched_keys import WatchedKeys


class Context:
    """The surroundings of one command: where it runs, when, for whom, and how it must answer.

    `now_ms` is the wall clock, read once a run: all commands of a pipeline see one time.
    `db` is the selected database (the same object for a database at all times). `source` is the
    number of the connection, `user` who it belongs to, empty for one who may do everything.
    `observer` is told of changes (see `keyspace.observation`), or None. `may_block` says that a
    command may wait, `is_nested` that it runs inside a transaction or a script.
    """

    __slots__ = (
        "asked_us", "db", "executor", "is_nested", "keyspace", "may_block", "now_ms", "null",
        "observer", "resp3", "source", "user",
    )  # fmt: skip

    def __init__(
        self,
        keyspace: Keyspace,
        db: Database,
        now_ms: int,
        resp3: bool,
        executor: Executor | None = None,
    ) -> None:
        self.keyspace = keyspace
        self.db = db
        self.now_ms = now_ms
        self.resp3 = resp3
        self.null = b"_\r\n" if resp3 else b"$-1\r\n"
        self.executor = executor
        self.observer = keyspace.observation.observer
        self.source = 0
        self.user = ""
        self.may_block = False
        self.is_nested = False
        # What TIME told inside a script, microseconds of the wall clock; 0: not asked yet.
        self.asked_us = 0

    def changed(self, key: bytes, event_class: str, event: bytes) -> None:
        """The command has changed `key` of its database; `event` is Redis' word for how."""
        if self.observer is not None:
            self.observer.changed(self.db.index, key, event_class, event)

    def overwrites(self, key: bytes) -> None:
        """To be called before `key` is overwritten unread: if it has expired, that comes first.

        Nobody else needs to know; it would cost the write that it is blind.
        """
        if self.observer is not None and self.observer.wants_expired:
            self.db.head(key, self.now_ms)

    def delete(self, key: bytes) -> bool:
        """Remove `key` and tell so; whether it lived."""
        is_deleted = self.db.delete(key, self.now_ms)
        if is_deleted:
            self.changed(key, GENERIC, b"del")
        return is_deleted

    def shrunk(self, key: bytes, event_class: str, event: bytes, left: int) -> None:
        """As `changed`, for a collection with `left` elements; without any its key has gone."""
        if self.observer is not None:
            self.observer.changed(self.db.index, key, event_class, event)
            if not left:
                self.observer.changed(self.db.index, key, GENERIC, b"del")

    def noted(self, key: bytes, event_class: str, event: bytes) -> None:
        """Tell of an event that is no change of the value of `key`, see `Observer.noted`."""
        if self.observer is not None:
            self.observer.noted(self.db.index, key, event_class, event)

    def nested(self, *, resp3: bool | None = None) -> Context:
        """The surroundings of the commands that this one calls."""
        inner = Context(
            self.keyspace,
            self.db,
            self.now_ms,
            self.resp3 if resp3 is None else resp3,
            self.executor,
        )
        inner.source, inner.user, inner.is_nested = self.source, self.user, True
        return inner

    @property
    def watched(self) -> WatchedKeys:
        """Who watches which keys."""
        assert self.executor is not None, "connections have an executor"
        return self.executor.watched

    def call(self, words: list[bytes]) -> bytes:
        """Run another command, in a `nested` context, with all checks; its encoded reply.

        An error comes back as an encoded error reply, too.
        """
        assert self.executor is not None, "only an executor's context can call"
        return self.executor.call(self, words)
