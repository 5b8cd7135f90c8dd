"""Who is subscribed to what (pure).

Both directions are kept: the subscribers of a channel, in the order in which they came, which is
the order in which they get a message; and the channels of a subscriber, which UNSUBSCRIBE without
arguments and the end of a connection need. Channels, patterns and shard channels are three worlds.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Generic, Protocol, TypeVar

from kiwi_engine.commands.publishing import CHANNELS, PATTERNS, SHARD_CHANNELS, Patterns


class Kind(Enum):
    """What one can subscribe to; the values are the parts of the query `subscribers`."""

    CHANNEL = CHANNELS
    PATTERN = PATTERNS
    SHARD_CHANNEL = SHARD_CHANNELS


class Subscriptions:
    """What one connection is subscribed to, in the order in which it was; never nothing."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: dict[Kind, dict[bytes, None]] = {kind: {} for kind in Kind}

    def count(self, kind: Kind) -> int:
        """The number that a confirmation tells: shard channels are counted apart."""
        if kind is Kind.SHARD_CHANNEL:
            return len(self.names[kind])
        return len(self.names[Kind.CHANNEL]) + len(self.names[Kind.PATTERN])

    def __bool__(self) -> bool:
        return any(self.names.values())


class Subscriber(Protocol):
    """Whoever gets messages; `subscriptions` is None while there are none. The registry sets it."""

    subscriptions: Subscriptions | None


S = TypeVar("S", bound=Subscriber)

# The subscribers of one channel or pattern: a set that keeps its order.
Audience = dict[S, None]


class Registry(Generic[S]):
    """The subscribers of everything; they are told apart by identity or by their own hash."""

    def __init__(self) -> None:
        self._channels: dict[bytes, Audience[S]] = {}
        self._shard_channels: dict[bytes, Audience[S]] = {}
        self._patterns: Patterns[Audience[S]] = Patterns()
        self.subscribers_count = 0

    # ---- changes

    def subscribe(self, subscriber: S, kind: Kind, name: bytes) -> bool:
        """Whether that is new."""
        subscriptions = subscriber.subscriptions
        if subscriptions is None:
            subscriptions = subscriber.subscriptions = Subscriptions()
            self.subscribers_count += 1
        names = subscriptions.names[kind]
        if name in names:
            return False
        names[name] = None
        audience = self.audience(kind, name)
        if audience is None:
            audience = {}
            self._put(kind, name, audience)
        audience[subscriber] = None
        return True

    def unsubscribe(self, subscriber: S, kind: Kind, name: bytes) -> bool:
        """Whether there was anything to end."""
        subscriptions = subscriber.subscriptions
        if subscriptions is None or name not in subscriptions.names[kind]:
            return False
        del subscriptions.names[kind][name]
        audience = self.audience(kind, name)
        assert audience is not None, "both directions are kept"
        del audience[subscriber]
        if not audience:
            self._remove(kind, name)
        if not subscriptions:
            subscriber.subscriptions = None
            self.subscribers_count -= 1
        return True

    def forget(self, subscriber: S) -> list[tuple[Kind, bytes]]:
        """End all subscriptions of a subscriber; what they were."""
        ended = [(kind, name) for kind in Kind for name in names_of(subscriber, kind)]
        for kind, name in ended:
            self.unsubscribe(subscriber, kind, name)
        return ended

    # ---- questions

    def audience(self, kind: Kind, name: bytes) -> Audience[S] | None:
        """The subscribers of a channel or pattern, or None; not to be changed."""
        if kind is Kind.PATTERN:
            return self._patterns.get(name)
        return self._of(kind).get(name)

    def count(self, kind: Kind, name: bytes) -> int:
        """How many are subscribed to a channel or pattern."""
        return len(self.audience(kind, name) or ())

    def names(self, kind: Kind) -> list[bytes]:
        """All channels or patterns that have subscribers."""
        if kind is Kind.PATTERN:
            return [pattern for pattern, _ in self._patterns.items()]
        return list(self._of(kind))

    def total(self, kind: Kind) -> int:
        """How many channels or patterns have subscribers."""
        return len(self._patterns if kind is Kind.PATTERN else self._of(kind))

    def matching(self, channel: bytes) -> Iterable[tuple[bytes, Audience[S]]]:
        """The patterns that match `channel`, with their subscribers."""
        return self._patterns.matching(channel) if self._patterns else ()

    def _of(self, kind: Kind) -> dict[bytes, Audience[S]]:
        return self._channels if kind is Kind.CHANNEL else self._shard_channels

    def _put(self, kind: Kind, name: bytes, audience: Audience[S]) -> None:
        if kind is Kind.PATTERN:
            self._patterns.set(name, audience)
        else:
            self._of(kind)[name] = audience

    def _remove(self, kind: Kind, name: bytes) -> None:
        if kind is Kind.PATTERN:
            self._patterns.remove(name)
        else:
            del self._of(kind)[name]


def names_of(subscriber: Subscriber, kind: Kind) -> list[bytes]:
    """What a subscriber is subscribed to, of one kind."""
    subscriptions = subscriber.subscriptions
    return [] if subscriptions is None else list(subscriptions.names[kind])
