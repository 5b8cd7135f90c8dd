"""Carrying CLIENT PAUSE out: connections with commands that have to wait (shell: event loop)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commands.resolve import Resolved
from kiwi_engine.server.network.pause_rules import Pause


class Paused(Protocol):
    """A connection, as far as this module needs it."""

    def end_pause(self) -> None:
        """Go on with the commands that wait."""


class Pauses:
    """Owned by the network runtime. `on_change` is told when it sets in and when it is over."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._pause = Pause()
        # In the order in which they began to wait.
        self._waiting: dict[Paused, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_on(self) -> bool:
        """Whether commands have to be asked about; until `end`, or the end of the time."""
        return self._timer is not None

    def left(self) -> tuple[int, bool] | None:
        """What `begin` would make the pause of that is on, or None if none is."""
        now_ns = monotonic_ns()
        if not self._pause.is_on(now_ns):
            return None
        return (self._pause.until_ns - now_ns) // 1_000_000, self._pause.holds_all

    def begin(self, timeout_ms: int, *, holds_all: bool) -> None:
        """Hold back writes, or all commands, for so long."""
        now_ns = monotonic_ns()
        self._pause.begin(now_ns, now_ns + timeout_ms * 1_000_000, holds_all=holds_all)
        if self._pause.is_on(now_ns):
            self._arm(now_ns)
            self._on_change()

    def _arm(self, now_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # A day at most, because event loops take no longer times; then it looks again.
        seconds = min((self._pause.until_ns - now_ns) / 1e9, 86_400.0)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        now_ns = monotonic_ns()
        if self._pause.is_on(now_ns):
            self._arm(now_ns)
        else:
            self.end()

    def end(self) -> None:
        """Let all that waits go on."""
        self._pause.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        for connection in waiting:
            connection.end_pause()
        self._on_change()

    def holds(self, resolved: Resolved, queued: Iterable[list[bytes]] | None) -> bool:
        """Whether a command has to wait; `queued` are those of the transaction that it ends."""
        return self._timer is not None and self._pause.holds(monotonic_ns(), resolved, queued)

    def wait(self, connection: Paused) -> None:
        """Call its `end_pause` when the time has come."""
        self._waiting[connection] = None

    def forget(self, connection: Paused) -> None:
        """It has ended."""
        self._waiting.pop(connection, None)
