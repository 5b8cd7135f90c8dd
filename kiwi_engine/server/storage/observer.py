"""Who is told what commands change: keyspace notifications, and others that listen (pure).

Handlers name each change as Redis does (`keyspace.observation`); from those names the messages of
keyspace notifications are made. All that happens on the executing thread, inside the group of the
change: the messages leave with its replies, once it is durable.

While nobody listens, the keyspace has no observer, and commands do not even ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol

from kiwi_engine.channel.events import Event, Published
from kiwi_engine.commands.tracking.tracker import Tracker
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.keyspace.observation import EXPIRED, KEY_MISS, NEW_KEY

# The letters of `notify-keyspace-events` that are no classes: how channels are named.
_BY_KEY: Final = "K"
_BY_EVENT: Final = "E"

_GROUP_DESTROYED: Final = b"xgroup-destroy"

Role = Literal["watched", "ready", "early"]


class Listener(Protocol):
    """Is told of changed keys, on the executing thread."""

    def touched(self, db: int, key: bytes) -> None:
        """The value of `key` has changed, or it has gone."""

    def flushed(self, databases: Iterable[int]) -> None:
        """Databases show something else: they were emptied or swapped."""


class StorageObserver:
    """The observer of a keyspace, as long as it has listeners or something to publish.

    `emit` takes the messages. Listeners: `watched` breaks transactions, `ready` wakes those who
    wait for a key, `early` remembers what was changed first. `ready` also hears of a group of a
    stream that has gone, which leaves the value as it was: who waits for it has an error coming.
    The tracker invalidates what clients have cached.
    """

    def __init__(self, keyspace: Keyspace, emit: Callable[[Event], None]) -> None:
        self._keyspace = keyspace
        self._emit = emit
        self._classes: frozenset[str] = frozenset()
        self._is_by_key = self._is_by_event = False
        self._listeners: dict[Role, Listener] = {}
        self._all_listeners: tuple[Listener, ...] = ()
        self._tracker: Tracker | None = None

    def configure(self, letters: str) -> None:
        """Publish what the letters of `notify-keyspace-events` say."""
        self._is_by_key, self._is_by_event = _BY_KEY in letters, _BY_EVENT in letters
        publishes = self._is_by_key or self._is_by_event
        self._classes = frozenset(letters) if publishes else frozenset()
        self._keyspace.tell_new_keys(NEW_KEY in self._classes)
        self._settle()

    def set_listener(self, role: Role, listener: Listener | None) -> None:
        """From now on `listener` is told of changes; None: nobody in this role is."""
        if listener is None:
            self._listeners.pop(role, None)
        else:
            self._listeners[role] = listener
        self._settle()

    def set_tracker(self, tracker: Tracker | None) -> None:
        """From now on `tracker` is told of changes, or none is."""
        self._tracker = tracker
        self._settle()

    def _settle(self) -> None:
        found = self._listeners
        self._all_listeners = tuple(found.values())
        is_needed = bool(found or self._classes or self._tracker)
        self._keyspace.observation.observer = self if is_needed else None

    @property
    def wants_expired(self) -> bool:
        """Whether it matters that a key has expired when it is overwritten anyway."""
        return EXPIRED in self._classes

    @property
    def wants_misses(self) -> bool:
        """Whether it matters which keys a reading command does not find."""
        return KEY_MISS in self._classes

    def changed(self, db: int, key: bytes, event_class: str, event: bytes) -> None:
        if event_class in self._classes:
            self._publish(db, key, event)
        for listener in self._all_listeners:
            listener.touched(db, key)
        if self._tracker is not None:
            self._tracker.touched(key, has_expired=event_class == EXPIRED)

    def noted(self, db: int, key: bytes, event_class: str, event: bytes) -> None:
        if event_class in self._classes:
            self._publish(db, key, event)
        ready = self._listeners.get("ready")
        if ready is not None and event == _GROUP_DESTROYED:
            ready.touched(db, key)

    def flushed(self, databases: Iterable[int]) -> None:
        indexes = tuple(databases)
        for listener in self._all_listeners:
            listener.flushed(indexes)
        if self._tracker is not None:
            self._tracker.flushed()

    def _publish(self, db: int, key: bytes, event: bytes) -> None:
        """The messages of an event; to whoever waits for the key first, as Redis does."""
        if self._is_by_key:
            self._emit(Published(b"__keyspace@%d__:%b" % (db, key), event))
        if self._is_by_event:
            self._emit(Published(b"__keyevent@%d__:%b" % (db, event), key))
