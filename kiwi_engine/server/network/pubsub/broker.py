"""Subscribing sessions and publishing to them (shell: event loop).

The network runtime owns one. A message is encoded once for each protocol version and handed to the
connections one after the other, so that what one publisher sends arrives in its order everywhere.
Nothing waits for a receiver: what becomes of one that does not read is
`server.network.output_limits`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from kiwi_engine.channel.events import Published
from kiwi_engine.server.network.pubsub.messages import (
    as_push,
    confirmation,
    message,
    pattern_message,
)
from kiwi_engine.server.network.pubsub.registry import Kind, Registry, names_of
from kiwi_engine.server.network.session import Session

# The query by which the storage runtime is told counts of subscribers.
QUERY: Final = "subscribers"

_SUBSCRIBED: Final = {
    Kind.CHANNEL: b"subscribe",
    Kind.PATTERN: b"psubscribe",
    Kind.SHARD_CHANNEL: b"ssubscribe",
}
_UNSUBSCRIBED: Final = {
    Kind.CHANNEL: b"unsubscribe",
    Kind.PATTERN: b"punsubscribe",
    Kind.SHARD_CHANNEL: b"sunsubscribe",
}
# (number of the connection, encoded message)
Push = Callable[[int, bytes], None]


class Broker:
    """`push` sends a message at once, `push_held` when the command under way is answered.

    What is pushed to the same connection behind a held message follows that. `on_change` is called
    when counts of subscribers have changed, once until `take_changes`.
    """

    def __init__(self, push: Push, push_held: Push, on_change: Callable[[], None]) -> None:
        self._push = push
        self._push_held = push_held
        self._on_change = on_change
        self.registry: Registry[Session] = Registry()
        # Whose counts the storage runtime has not been told.
        self._changed: set[tuple[Kind, bytes]] = set()

    # ---- subscriptions

    def subscribe(self, session: Session, kind: Kind, names: Iterable[bytes]) -> bytes:
        """The confirmations, one for each name.

        A connection that is gone can still have had this under way: it is not to come back.
        """
        if session.is_closed:
            return b""
        encoded = b""
        for name in names:
            if self.registry.subscribe(session, kind, name):
                self._note(kind, name)
            encoded += _confirm(session, kind, _SUBSCRIBED[kind], name)
        session.refresh()
        return encoded

    def unsubscribe(self, session: Session, kind: Kind, names: list[bytes]) -> bytes:
        """The confirmations, also for what there was not; no names: everything of this kind."""
        encoded = b""
        ended: Sequence[bytes | None] = names or names_of(session, kind) or [None]
        for name in ended:
            if name is not None and self.registry.unsubscribe(session, kind, name):
                self._note(kind, name)
            encoded += _confirm(session, kind, _UNSUBSCRIBED[kind], name)
        session.refresh()
        return encoded

    def forget(self, session: Session) -> list[tuple[Kind, bytes]]:
        """End all subscriptions of a session without a word to it; what they were."""
        if session.subscriptions is None:
            return []
        ended = self.registry.forget(session)
        for kind, name in ended:
            self._note(kind, name)
        session.refresh()
        return ended

    # ---- messages

    def publish(
        self,
        channel: bytes,
        content: bytes,
        *,
        is_sharded: bool = False,
        publisher: int = 0,
    ) -> int:
        """How many got the message; who gets it twice, by a pattern, counts twice.

        The `publisher`, a connection or 0, gets it behind the reply to its command (since Redis
        7.2).
        """
        registry = self.registry
        kind = Kind.SHARD_CHANNEL if is_sharded else Kind.CHANNEL
        audience = registry.audience(kind, channel)
        count = 0
        if audience is not None:
            encoded = message(channel, content, is_sharded=is_sharded)
            count = self._send(audience, encoded, publisher)
        if not is_sharded:
            for pattern, audience in registry.matching(channel):
                encoded = pattern_message(pattern, channel, content)
                count += self._send(audience, encoded, publisher)
        return count

    def deliver(self, event: Published) -> None:
        """Publish what the storage runtime tells: of a script, or a keyspace notification."""
        self.publish(event.channel, event.message, is_sharded=event.is_sharded)

    def hold_messages(self, session: Session) -> None:
        """Let what is sent to `session` from now on follow the reply that it waits for."""
        self._push_held(session.id, b"")

    def _send(self, audience: dict[Session, None], encoded: bytes, publisher: int) -> int:
        pushed = b""
        for session in audience:
            if session.resp3:
                pushed = pushed or as_push(encoded)
            identity = session.id
            push = self._push_held if identity == publisher else self._push
            push(identity, pushed if session.resp3 else encoded)
        return len(audience)

    # ---- what the storage runtime is to know

    def take_changes(self) -> dict[str, Any]:
        """The counts that have changed, as parameters of `QUERY`."""
        counts: dict[str, dict[bytes, int]] = {}
        for kind, name in self._changed:
            counts.setdefault(kind.value, {})[name] = self.registry.count(kind, name)
        self._changed.clear()
        return counts

    def greeting(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """All counts, for a storage runtime that knows none."""
        self._changed.update((kind, name) for kind in Kind for name in self.registry.names(kind))
        if self._changed:
            yield QUERY, self.take_changes()

    def _note(self, kind: Kind, name: bytes) -> None:
        if not self._changed:
            self._on_change()
        self._changed.add((kind, name))


def _confirm(session: Session, kind: Kind, word: bytes, name: bytes | None) -> bytes:
    subscriptions = session.subscriptions
    count = 0 if subscriptions is None else subscriptions.count(kind)
    return confirmation(word, name, count, resp3=session.resp3)
