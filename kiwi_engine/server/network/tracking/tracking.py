"""Who tracks what, and telling them (shell: event loop).

The storage runtime says which keys have changed, and which connections had read them (events
`Invalidated`, `Flushed`); what each connection wants to hear is known here. A message never
overtakes a reply with the value that it makes stale: the storage runtime sends both in the order
of execution, and a connection sends a message behind the replies that it has and may not send yet.
Who is told through another connection (REDIRECT) may get the message first, as with Redis.

When the storage runtime dies, what it remembered is gone. Then everybody is told to forget
everything, at once: what is read from now on is read from its successor, which remembers it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol

from kiwi_engine.channel.events import Flushed, Invalidated
from kiwi_engine.server.network.peers.peers import Peers
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.tracking.broadcasts import Broadcasts, keys_for
from kiwi_engine.server.network.tracking.messages import broken_redirection, invalidation
from kiwi_engine.server.network.tracking.mode import TrackingMode, TrackingOptions
from kiwi_engine.server.network.tracking.prefixes import PrefixTable
from kiwi_engine.server.network.tracking.redirections import Ends, Redirections

# The query by which the storage runtime is told whether somebody tracks, and by prefixes.
QUERY: Final = "tracking"


class Surroundings(Protocol):
    """The network runtime, as tracking uses it."""

    def find_session(self, session_id: int) -> Session | None:
        """The session of a connection, or None if it is gone."""

    def push(self, session_id: int, encoded: bytes) -> None:
        """Send a message that is no reply; nothing happens if the connection is gone."""

    def behind_answers(self, session_id: int, action: Callable[[], None]) -> None:
        """Call `action` when all replies that are there for a connection have left."""


class Tracking:
    """Owned by the network runtime. `prefixes` are those of all connections.

    `tell` sends the storage runtime a query, in front of all commands that come from now on: what
    is read behind it is followed, too.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        tell: Callable[[str, dict[str, Any]], None],
        peers: Peers,
    ) -> None:
        self._surroundings = surroundings
        self._tell = tell
        self.redirections = Redirections(
            peers, Ends(self._has, self._deliver, self._note_broken_redirection)
        )
        # The connections that track.
        self._sessions: dict[int, Session] = {}
        self.prefixes = PrefixTable()
        self._broadcasts = Broadcasts(self.prefixes)
        # Of those who wait until the storage runtime knows: whether they track by prefixes.
        self._beginning: list[bool] = []
        self._told = self._wanted

    def __len__(self) -> int:
        """How many connections track."""
        return len(self._sessions)

    # ---- what connections want

    def start(self, session: Session, options: TrackingOptions) -> None:
        """Begin, or go over to other options, which were checked.

        A connection that is gone can still have had this under way: it is not to come back.
        """
        if session.is_closed:
            return
        mode = session.tracking
        if mode is None:
            mode = session.tracking = TrackingMode()
            self._sessions[session.id] = session
        mode.apply(options)
        if mode.is_broadcast:
            self.prefixes.add(session.id, mode.prefixes)
        self._tell_storage()
        session.refresh()

    @contextmanager
    def beginning(self, options: TrackingOptions) -> Iterator[dict[str, Any]]:
        """Around a `start` in front of which the storage runtime is to know: what it is told."""
        self._beginning.append(options.is_broadcast)
        self._tell_storage()
        try:
            yield self._wanted
        finally:
            self._beginning.remove(options.is_broadcast)
            self._tell_storage()

    def stop(self, session: Session) -> None:
        """End tracking; also when the connection ends."""
        mode = session.tracking
        if mode is None:
            return
        session.tracking = None
        del self._sessions[session.id]
        if mode.is_broadcast:
            self.prefixes.remove(session.id, mode.prefixes)
        self._tell_storage()
        session.refresh()

    def greeting(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """For a storage runtime that knows nothing."""
        if self._sessions:
            yield QUERY, self._wanted

    @property
    def _wanted(self) -> dict[str, Any]:
        """What the storage runtime is to tell."""
        return {
            "anybody": bool(self._sessions or self._beginning),
            "all_keys": bool(self.prefixes) or any(self._beginning),
        }

    def _tell_storage(self) -> None:
        if self._told != self._wanted:
            self._told = self._wanted
            self._tell(QUERY, self._told)

    # ---- what the storage runtime tells

    def invalidated(self, event: Invalidated) -> None:
        """A key has changed."""
        for source in event.sources:
            # Decided then: whether it tracks at all may be said in a transaction under way.
            self._surroundings.behind_answers(source, partial(self._tell_reader, source, event))
        if self.prefixes:
            if not self._broadcasts:
                asyncio.get_running_loop().call_soon(self._broadcast)
            self._broadcasts.add(event.key, event.by)

    def flushed(self, event: Flushed) -> None:
        """Databases were emptied or swapped: whoever did it is told, too, as with Redis."""
        self.forget_all()

    def forget_all(self) -> None:
        """Tell everybody that every key may have changed."""
        for session in list(self._sessions.values()):
            self._send_behind(session, None)

    def _tell_reader(self, source: int, event: Invalidated) -> None:
        session = self._sessions.get(source)
        if session is None or session.tracking is None or session.tracking.is_broadcast:
            return
        if not (session.tracking.no_loop and source == event.by):
            self._send(session, [event.key])

    def _broadcast(self) -> None:
        """Tell what has changed under prefixes in the turn before."""
        for prefix, changed in self._broadcasts.take():
            everything = keys_for(changed, None)
            for source in self.prefixes.trackers(prefix):
                session = self._sessions[source]
                mode = session.tracking
                assert mode is not None, "it tracks a prefix"
                keys = keys_for(changed, source) if mode.no_loop else everything
                if keys:
                    self._send_behind(session, keys)

    # ---- messages

    def _send_behind(self, session: Session, keys: list[bytes] | None) -> None:
        self._surroundings.behind_answers(session.id, partial(self._send, session, keys))

    def _send(self, session: Session, keys: list[bytes] | None) -> None:
        """Tell the one who is to be told for `session`, if it can be told."""
        mode = session.tracking
        if mode is None:
            return
        if not mode.redirect:
            if session.resp3:
                self._surroundings.push(session.id, invalidation(keys, resp3=True))
        elif self.redirections.crosses(mode.redirect):
            self.redirections.send(mode.redirect, session.id, keys)
        elif not self._deliver(mode.redirect, keys):
            self._note_broken_redirection(session.id, mode.redirect)

    # ---- who is told for another one

    def _has(self, connection: int) -> bool:
        return self._surroundings.find_session(connection) is not None

    def _deliver(self, connection: int, keys: list[bytes] | None) -> bool:
        """Tell it, if it can be told; whether there is such a connection."""
        receiver = self._surroundings.find_session(connection)
        if receiver is None:
            return False
        if receiver.resp3 or receiver.subscriptions is not None:
            self._surroundings.push(connection, invalidation(keys, resp3=receiver.resp3))
        return True

    def _note_broken_redirection(self, tracker: int, connection: int) -> None:
        session = self._sessions.get(tracker)
        mode = None if session is None else session.tracking
        if session is None or mode is None or mode.redirect != connection:
            return
        mode.is_redirect_broken = True
        if session.resp3:
            self._surroundings.push(tracker, broken_redirection(connection))
