"""What servers publish about each command of a sequence, and what WATCH sees of it (shell).

A real server is asked with a subscriber beside it, and a message of our own after each command
tells where its notifications end. Ours is the executor with the observer of the storage runtime.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final

from kiwi_engine import clock
from kiwi_engine.channel.events import Event, Published
from kiwi_engine.commands.executor import Executor
from kiwi_engine.config.event_classes import EventClasses
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.limits import Limits
from kiwi_engine.server.storage.observer import StorageObserver
from kiwi_engine.server.storage.watch_listener import WatchListener
from kiwi_engine.testing.memory_store import MemoryStore
from tests.differential.grammar import Words
from tests.differential.harness import FORGET_OVERFLOW, Commands, SocketServer
from tests.support.client import encode
from tests.support.replies import elements, parse, reply_end, text_of

# A channel and what was published on it.
Message = tuple[bytes, bytes]
# The messages of each command of a sequence.
Told = list[list[Message]]

_PATTERN: Final = b"__key*__:*"
_MARK: Final = b"__keymark__:"
_ABORTED: Final = b"*-1\r\n"
_CHUNK_BYTES: Final = 1 << 20


class NotifiedServer:
    """A real server that publishes what the letters `classes` say, as long as this is open."""

    def __init__(self, host: str, port: int, classes: str) -> None:
        self._server = SocketServer(host, port)
        self._set_classes(classes)
        self._subscriber = socket.create_connection((host, port), timeout=60)
        self._received = b""
        self._subscriber.sendall(encode(b"PSUBSCRIBE", _PATTERN))
        self._next_reply()

    def run_all(self, sequences: Sequence[Commands]) -> list[tuple[list[bytes], Told]]:
        """Replies and messages of each sequence; each begins with no key in any database."""
        return [self._run(sequence) for sequence in sequences]

    def _run(self, sequence: Commands) -> tuple[list[bytes], Told]:
        mark: Words = [b"PUBLISH", _MARK, b""]
        commands: list[Words] = [[b"SELECT", b"0"], list(FORGET_OVERFLOW), [b"FLUSHALL"], mark]
        opening_count = len(commands)
        for words in sequence:
            commands += [list(words), mark]
        replies = self._server.pipeline(commands)
        self._messages_up_to_mark()
        told = [self._messages_up_to_mark() for _ in sequence]
        return replies[opening_count::2], told

    def _messages_up_to_mark(self) -> list[Message]:
        found: list[Message] = []
        while True:
            _, _, channel, message = map(text_of, map(parse, elements(self._next_reply())))
            if channel == _MARK:
                return found
            found.append((channel, message))

    def _next_reply(self) -> bytes:
        while (end := reply_end(self._received, 0)) is None:
            data = self._subscriber.recv(_CHUNK_BYTES)
            assert data, "the server closed the connection of the subscriber"
            self._received += data
        reply, self._received = self._received[:end], self._received[end:]
        return reply

    def allow_active_expiry(self, *, is_on: bool) -> None:
        """Whether keys are also removed without a look at them."""
        command = [b"DEBUG", b"SET-ACTIVE-EXPIRE", b"%d" % is_on]
        assert self._server.pipeline([command]) == [b"+OK\r\n"]

    def close(self) -> None:
        self._set_classes("")
        self._server.close()
        self._subscriber.close()

    def _set_classes(self, classes: str) -> None:
        command = [b"CONFIG", b"SET", b"notify-keyspace-events", classes.encode()]
        assert self._server.pipeline([command]) == [b"+OK\r\n"]


class NotifiedExecutor:
    """Our side without a server around it; it understands SELECT, which is not the executor's."""

    def __init__(self, classes: str, limits: Limits | None = None) -> None:
        self._letters = EventClasses().parse([classes])
        self._limits = limits or Limits()

    def run_all(self, sequences: Sequence[Commands]) -> list[Told]:
        return [self._run(sequence) for sequence in sequences]

    def _run(self, sequence: Commands) -> Told:
        messages: list[Message] = []

        def emit(event: Event) -> None:
            assert isinstance(event, Published)
            messages.append((event.channel, event.message))

        executor, observer = _observed_executor(self._limits, emit)
        observer.configure(self._letters)
        told, database = [], 0
        for words in sequence:
            database = _execute(executor, database, words, clock.wall_ms())
            told.append(messages.copy())
            messages.clear()
        return told


def touched_by_reference(port: int, sequence: Commands, keys: Sequence[bytes]) -> list[set[bytes]]:
    """Which of `keys` WATCH finds changed by each command: one round for each key."""
    server = SocketServer("127.0.0.1", port)
    touched: list[set[bytes]] = [set() for _ in sequence]
    for key in keys:
        commands: list[Words] = [[b"SELECT", b"0"], list(FORGET_OVERFLOW), [b"FLUSHALL"]]
        opening_count = len(commands)
        for words in sequence:
            commands += [[b"WATCH", key], list(words), [b"MULTI"], [b"EXEC"]]
        for at, outcome in enumerate(server.pipeline(commands)[opening_count + 3 :: 4]):
            if outcome == _ABORTED:
                touched[at].add(key)
    server.close()
    return touched


def touched_here(sequence: Commands, keys: Sequence[bytes], limits: Limits) -> list[set[bytes]]:
    """The same of ours; each key has a client of its own that watches it."""
    executor, observer = _observed_executor(limits, lambda event: None)
    watched = executor.watched
    WatchListener(watched, observer, lambda event: None)
    touched, database = [], 0
    for words in sequence:
        now_ms = clock.wall_ms()
        for source, key in enumerate(keys):
            watched.forget(source)
            watched.watch(source, database, [key], now_ms)
        database = _execute(executor, database, words, now_ms)
        touched.append({key for at, key in enumerate(keys) if not watched.may_run(at, now_ms)})
    return touched


def _observed_executor(
    limits: Limits, emit: Callable[[Event], None]
) -> tuple[Executor, StorageObserver]:
    keyspace = Keyspace(MemoryStore(tally), seed=1)
    for name in limits.__struct_fields__:
        setattr(keyspace.limits, name, getattr(limits, name))
    return Executor(keyspace), StorageObserver(keyspace, emit)


def _execute(executor: Executor, database: int, words: Words, now_ms: int) -> int:
    """Run a command; the database that is selected behind it. SELECT is not the executor's."""
    if words[0].lower() == b"select":
        return int(words[1])
    executor.execute(database, False, [list(words)], now_ms)
    return database
