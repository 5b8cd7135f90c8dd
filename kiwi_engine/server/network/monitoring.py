"""Showing what is executed to those who monitor (shell: event loop).

A command is shown when the network runtime hands it on, in the order in which commands are taken: a
line of one connection never overtakes another one of it. What scripts call the storage runtime
tells afterwards, as events. While nobody monitors, none of this runs, and the storage runtime does
not tell. Where there are several network processes, each shows what its own connections do, also to
those who monitor elsewhere (`monitors_elsewhere`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from kiwi_engine.channel.events import Monitored
from kiwi_engine.clock import wall_us
from kiwi_engine.commands.monitored import is_shown, line
from kiwi_engine.commands.resolve import Resolved
from kiwi_engine.errors import ReplyError
from kiwi_engine.server.network.monitors_elsewhere import Elsewhere
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
    `on_change` is called when commands are to be shown, or no more, `tell_storage` with whether it
    is to tell what scripts call. It is true while there is anybody to show commands to, here or in
    another process.
    """

    def __init__(
        self,
        push: Push,
        push_behind: Push,
        on_change: Callable[[], None],
        tell_storage: Callable[[bool], None],
        elsewhere: Elsewhere,
    ) -> None:
        self._push = push
        self._push_behind = push_behind
        self._on_change = on_change
        self._tell_storage = tell_storage
        self._elsewhere = elsewhere
        elsewhere.on_line = self._show_here
        elsewhere.on_change = on_change
        self._sessions: dict[int, Session] = {}
        # How many wait until all processes show what they execute.
        self._beginning = 0

    def __bool__(self) -> bool:
        return bool(self._sessions) or self._elsewhere.is_there

    def add(self, session: Session) -> None:
        """From now on `session` sees everything, unless it is gone since it asked for that."""
        if session.is_closed:
            return
        session.is_monitor = True
        self._sessions[session.id] = session
        if len(self._sessions) == 1:
            self._on_change()
            self._tell_storage(True)

    @contextmanager
    def beginning(self) -> Iterator[Elsewhere]:
        """Around an `add` that waits until all processes show what they execute."""
        self._beginning += 1
        try:
            yield self._elsewhere
        finally:
            self._beginning -= 1
            self._end_without_monitors()

    def remove(self, session: Session) -> None:
        """It sees nothing any more, or is gone."""
        session.is_monitor = False
        if self._sessions.pop(session.id, None) is not None:
            self._end_without_monitors()

    def _end_without_monitors(self) -> None:
        """Have nothing shown any more, unless somebody is there or about to be."""
        if not (self._sessions or self._beginning):
            self._elsewhere.end()
            self._on_change()
            self._tell_storage(False)

    def greeting(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """For a storage runtime that knows nothing."""
        if self._sessions:
            yield QUERY, {"wanted": True}

    def show(self, session: Session, words: list[bytes]) -> None:
        """`session` has a command executed; its own are shown to it behind their replies."""
        if self and is_shown(words):
            encoded = line(wall_us(), session.db, session.address, words)
            for monitor in self._sessions:
                push = self._push_behind if monitor == session.id else self._push
                push(monitor, encoded)
            if self._elsewhere.is_there:
                self._elsewhere.show(encoded)

    def show_called(self, event: Monitored) -> None:
        """A script has called a command: it is shown by the process of its connection."""
        if self._elsewhere.numbering.owns(event.source):
            encoded = line(event.wall_us, event.db, _SCRIPT, event.words)
            self._show_here(encoded)
            if self._elsewhere.is_there:
                self._elsewhere.show(encoded)

    def _show_here(self, encoded: bytes) -> None:
        for monitor in self._sessions:
            self._push(monitor, encoded)


def refusal(session: Session, resolved: Resolved) -> ReplyError | None:
    """Why one who monitors may not call a command, or None."""
    if not session.is_monitor:
        return None
    is_harmless = _FORBIDDEN.isdisjoint(resolved.row.flags) and resolved.name not in _MAY_REPLICATE
    return None if is_harmless else _REFUSAL
