"""Showing what is executed to those who monitor (shell: event loop).

A command is shown when the network runtime hands it on, in the order in which commands are taken: a
line of one connection never overtakes another one of it. What scripts call the storage runtime
tells afterwards, as events. While nobody monitors, none of this runs, and the storage runtime does
not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from kiwi_engine.channel.events import Monitored
from kiwi_engine.clock import wall_us
from kiwi_engine.commands.monitored import is_shown, line
from kiwi_engine.commands.resolve import Resolved
from kiwi_engine.errors import ReplyError
from kiwi_engine.server.network.session import Session

# The query by which the storage runtime is told whether somebody monitors.
QUERY: Final = "monitor_scripts"
_SCRIPT: Final = "lua"
# To Redis whoever monitors is a kind of replica.
_FORBIDDEN: Final = frozenset(("write", "readonly"))
# Redis' flag MAY_REPLICATE, which COMMAND INFO does not tell.
_MAY_REPLICATE: Final = frozenset(("publish", "spublish", "eval", "evalsha", "fcall"))
_REFUSAL: Final = ReplyError("ERR Replica can't interact with the keyspace")
# (number of a connection, encoded message)
Push = Callable[[int, bytes], None]


class Monitors:
    """Owned by the network runtime.

    `push` sends a message at once, `push_behind` when the command under way is answered.
    `on_change` is called with whether somebody monitors.
    """

    def __init__(self, push: Push, push_behind: Push, on_change: Callable[[bool], None]) -> None:
        self._push = push
        self._push_behind = push_behind
        self._on_change = on_change
        self._sessions: dict[int, Session] = {}

    def __len__(self) -> int:
        """How many connections monitor."""
        return len(self._sessions)

    def add(self, session: Session) -> None:
        """From now on `session` sees everything, unless it is gone since it asked for that."""
        if session.is_closed:
            return
        session.is_monitor = True
        self._sessions[session.id] = session
        if len(self._sessions) == 1:
            self._on_change(True)

    def remove(self, session: Session) -> None:
        """It sees nothing any more, or is gone."""
        session.is_monitor = False
        if self._sessions.pop(session.id, None) is not None and not self._sessions:
            self._on_change(False)

    def greeting(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """For a storage runtime that knows nothing."""
        if self._sessions:
            yield QUERY, {"wanted": True}

    def show(self, session: Session, words: list[bytes]) -> None:
        """`session` has a command executed; its own are shown to it behind their replies."""
        if self._sessions and is_shown(words):
            encoded = line(wall_us(), session.db, session.address, words)
            for monitor in self._sessions:
                push = self._push_behind if monitor == session.id else self._push
                push(monitor, encoded)

    def show_called(self, event: Monitored) -> None:
        """A script has called a command."""
        encoded = line(event.wall_us, event.db, _SCRIPT, event.words)
        for monitor in self._sessions:
            self._push(monitor, encoded)


def refusal(session: Session, resolved: Resolved) -> ReplyError | None:
    """Why one who monitors may not call a command, or None."""
    if not session.is_monitor:
        return None
    is_harmless = _FORBIDDEN.isdisjoint(resolved.row.flags) and resolved.name not in _MAY_REPLICATE
    return None if is_harmless else _REFUSAL
