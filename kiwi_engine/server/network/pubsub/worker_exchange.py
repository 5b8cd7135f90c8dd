"""Publishing and subscribing in a network process that is not the primary (shell: event loop).

What a client wants is told to the primary, whose answer is the moment at which it happens
(`pubsub.exchange`). Answers are taken when they arrive, in one piece with the messages around them;
the client's reply may follow a little later, and its messages stay behind that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple

from kiwi_engine.channel.numbering import PRIMARY
from kiwi_engine.resp import reply
from kiwi_engine.server.network.peers.peers import Peers
from kiwi_engine.server.network.pubsub.broker import Broker
from kiwi_engine.server.network.pubsub.exchange import (
    DEPART,
    DEPARTED,
    MESSAGE,
    PUBLISH,
    PUBLISHED,
    SUBSCRIBE,
    SUBSCRIBED,
    UNSUBSCRIBE,
    Answer,
)
from kiwi_engine.server.network.pubsub.registry import Kind, names_of
from kiwi_engine.server.network.session import Session


class _Change(NamedTuple):
    """Subscriptions that begin or end when the primary has answered.

    `names` are all that are to be confirmed, `changed` those of them for which that is a change.
    """

    session: Session
    kind: Kind
    names: list[bytes]
    changed: list[bytes]
    begins: bool
    confirmations: asyncio.Future[bytes]


class WorkerExchange:
    """`Exchange` of a worker. A connection has one change under way at most: it waits for it."""

    def __init__(self, broker: Broker, peers: Peers) -> None:
        self._broker = broker
        self._peers = peers
        self._number = peers.numbering.number
        self._tickets = count(1)
        self._published: dict[int, asyncio.Future[bytes]] = {}
        self._changes: dict[int, _Change] = {}
        self._departed: dict[int, asyncio.Future[None]] = {}
        peers.register(PUBLISHED, self._was_published)
        peers.register(SUBSCRIBED, self._was_changed)
        peers.register(DEPARTED, self._has_departed)
        peers.register(MESSAGE, self._deliver)

    def subscribe(self, session: Session, kind: Kind, names: list[bytes]) -> Answer:
        present = set(names_of(session, kind))
        changed = [name for name in dict.fromkeys(names) if name not in present]
        return self._change(session, kind, names, changed, begins=True)

    def unsubscribe(self, session: Session, kind: Kind, names: list[bytes]) -> Answer:
        present = names_of(session, kind)
        named = set(names)
        changed = [name for name in present if name in named] if names else present
        return self._change(session, kind, names, changed, begins=False)

    def forget(self, session: Session) -> asyncio.Future[None] | None:
        told = {
            (change.kind, name)
            for change in self._changes.values()
            if change.session is session and not change.begins
            for name in change.changed
        }
        ended = [each for each in self._broker.forget(session) if each not in told]
        return self._depart(ended) if ended else None

    def publish(
        self, session: Session, channel: bytes, content: bytes, *, is_sharded: bool
    ) -> Answer:
        ticket = next(self._tickets)
        answer = self._published[ticket] = asyncio.get_running_loop().create_future()
        parameters = (self._number, ticket, channel, content, is_sharded, session.id)
        self._peers.tell(PUBLISH, parameters, to=PRIMARY)
        return _result(answer)

    def names(self, kind: Kind) -> list[bytes]:
        return self._broker.registry.names(kind)

    def count(self, kind: Kind, name: bytes) -> int:
        return self._broker.registry.count(kind, name)

    def _depart(self, ended: Iterable[tuple[Kind, bytes]]) -> asyncio.Future[None]:
        """Tell that connections are gone, or as good as that."""
        ticket = next(self._tickets)
        departed = self._departed[ticket] = asyncio.get_running_loop().create_future()
        parameters = [(kind.value, name) for kind, name in ended]
        self._peers.tell(DEPART, (self._number, ticket, parameters), to=PRIMARY)
        return departed

    def _change(
        self,
        session: Session,
        kind: Kind,
        names: list[bytes],
        changed: list[bytes],
        *,
        begins: bool,
    ) -> Answer:
        if not changed or session.is_closed:
            return self._confirm(session, kind, names, begins=begins)
        ticket = next(self._tickets)
        confirmations = asyncio.get_running_loop().create_future()
        self._changes[ticket] = _Change(session, kind, names, changed, begins, confirmations)
        parameters = (self._number, ticket, kind.value, changed)
        self._peers.tell(SUBSCRIBE if begins else UNSUBSCRIBE, parameters, to=PRIMARY)
        return _result(confirmations)

    def _confirm(self, session: Session, kind: Kind, names: list[bytes], *, begins: bool) -> bytes:
        if begins:
            return self._broker.subscribe(session, kind, names)
        return self._broker.unsubscribe(session, kind, names)

    # ---- what the primary tells

    def _was_published(self, parameters: Any) -> None:
        ticket, count = parameters
        self._published.pop(ticket).set_result(reply.integer(count))

    def _was_changed(self, parameters: Any) -> None:
        change = self._changes.pop(parameters)
        session = change.session
        if session.is_closed:
            if change.begins:
                # It is not to come back.
                self._depart((change.kind, name) for name in change.changed)
            change.confirmations.set_result(b"")
            return
        confirmations = self._confirm(session, change.kind, change.names, begins=change.begins)
        self._broker.hold_messages(session)
        change.confirmations.set_result(confirmations)

    def _has_departed(self, parameters: Any) -> None:
        self._departed.pop(parameters).set_result(None)

    def _deliver(self, parameters: Any) -> None:
        channel, content, is_sharded, publisher = parameters
        self._broker.publish(channel, content, is_sharded=is_sharded, publisher=publisher)


async def _result(answer: asyncio.Future[bytes]) -> bytes:
    return await answer
