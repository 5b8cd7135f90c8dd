"""Publishing and subscribing across network processes (shell: event loop).

    worker                                     primary
    PUBLISH      ---- publish ---------------> delivers, counts, passes it on
                 <--- message ---------------- to each process that has subscribers for it
    its reply    <--- published (count) ------
    SUBSCRIBE    ---- subscribe -------------> counts it
    confirmation <--- subscribed ------------- (behind all messages that it is too late for)

The primary gives all that clients publish one order, which is that of the links: so all subscribers
see the same order, and a subscriber that has its confirmation gets everything that is published
from then on, whoever does that. What scripts publish, and keyspace notifications, come from the
storage runtime to each process: their order among themselves is the same everywhere, but not that
among the messages of clients.

With one network process it is its own primary, and has nobody to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from kiwi_engine.resp import reply
from kiwi_engine.server.network.peers.peers import Peers
from kiwi_engine.server.network.pubsub.broker import Broker
from kiwi_engine.server.network.pubsub.registry import Kind
from kiwi_engine.server.network.pubsub.remote_subscribers import RemoteSubscribers
from kiwi_engine.server.network.session import Session

# What a worker tells the primary. Each begins with the number of the worker and a ticket that the
# answer repeats.
PUBLISH: Final = "publish"
SUBSCRIBE: Final = "subscribe"
UNSUBSCRIBE: Final = "unsubscribe"
DEPART: Final = "depart"
# What the primary tells a worker.
PUBLISHED: Final = "published"
SUBSCRIBED: Final = "subscribed"
DEPARTED: Final = "departed"
MESSAGE: Final = "message"

# An encoded reply, or what it comes from later.
Answer = bytes | Coroutine[Any, Any, bytes]


class Exchange(Protocol):
    """The pub/sub of all network processes, as one of them uses it for its clients."""

    def subscribe(self, session: Session, kind: Kind, names: list[bytes]) -> Answer:
        """The confirmations, one for each name."""

    def unsubscribe(self, session: Session, kind: Kind, names: list[bytes]) -> Answer:
        """The confirmations, also for what there was not; no names: everything of this kind."""

    def forget(self, session: Session) -> asyncio.Future[None] | None:
        """End all subscriptions of a session without a word to it.

        It gets nothing from now on; where others may still count it until then, a future.
        """

    def publish(
        self, session: Session, channel: bytes, content: bytes, *, is_sharded: bool
    ) -> Answer:
        """How many got the message; `session` itself gets it behind this reply."""

    def names(self, kind: Kind) -> list[bytes]:
        """All channels or patterns that have subscribers; of a worker: of its own alone."""

    def count(self, kind: Kind, name: bytes) -> int:
        """How many are subscribed to a channel or pattern; of a worker: of its own alone."""


class PrimaryExchange:
    """That of the primary, or of the only network process there is."""

    def __init__(self, broker: Broker, peers: Peers) -> None:
        self._broker = broker
        self._peers = peers
        self._remote = RemoteSubscribers()
        peers.register(PUBLISH, self._publish_for_worker)
        peers.register(SUBSCRIBE, self._subscribe_for_worker)
        peers.register(UNSUBSCRIBE, self._unsubscribe_for_worker)
        peers.register(DEPART, self._depart_for_worker)
        peers.watch(_know_nothing, self._remote.forget)

    def subscribe(self, session: Session, kind: Kind, names: list[bytes]) -> Answer:
        confirmations = self._broker.subscribe(session, kind, names)
        if self._peers.numbering.count > 1:
            # They are sent when the storage runtime counts the subscriber.
            self._broker.hold_messages(session)
        return confirmations

    def unsubscribe(self, session: Session, kind: Kind, names: list[bytes]) -> Answer:
        return self._broker.unsubscribe(session, kind, names)

    def forget(self, session: Session) -> asyncio.Future[None] | None:
        self._broker.forget(session)
        return None

    def publish(
        self, session: Session, channel: bytes, content: bytes, *, is_sharded: bool
    ) -> Answer:
        return reply.integer(self._publish(channel, content, is_sharded, session.id))

    def names(self, kind: Kind) -> list[bytes]:
        own = self._broker.registry.names(kind)
        return list(dict.fromkeys(own + self._remote.names(kind))) if self._remote else own

    def count(self, kind: Kind, name: bytes) -> int:
        return self._broker.registry.count(kind, name) + self._remote.count(kind, name)

    def _publish(self, channel: bytes, content: bytes, is_sharded: bool, publisher: int) -> int:
        count = self._broker.publish(channel, content, is_sharded=is_sharded, publisher=publisher)
        if self._remote:
            kind = Kind.SHARD_CHANNEL if is_sharded else Kind.CHANNEL
            for process, times in self._remote.receivers(kind, channel).items():
                parameters = (channel, content, is_sharded, publisher)
                self._peers.tell(MESSAGE, parameters, to=process)
                count += times
        return count

    # ---- what workers tell

    def _publish_for_worker(self, parameters: Any) -> None:
        worker, ticket, channel, content, is_sharded, publisher = parameters
        count = self._publish(channel, content, is_sharded, publisher)
        self._peers.tell(PUBLISHED, (ticket, count), to=worker)

    def _subscribe_for_worker(self, parameters: Any) -> None:
        worker, ticket, kind, names = parameters
        self._remote.change(worker, Kind(kind), names, 1)
        self._peers.tell(SUBSCRIBED, ticket, to=worker)

    def _unsubscribe_for_worker(self, parameters: Any) -> None:
        worker, ticket, kind, names = parameters
        self._remote.change(worker, Kind(kind), names, -1)
        self._peers.tell(SUBSCRIBED, ticket, to=worker)

    def _depart_for_worker(self, parameters: Any) -> None:
        worker, ticket, ended = parameters
        for kind, name in ended:
            self._remote.change(worker, Kind(kind), (name,), -1)
        self._peers.tell(DEPARTED, ticket, to=worker)


def _know_nothing(worker: int) -> None:
    """Nobody is subscribed to anything in a worker that starts."""
