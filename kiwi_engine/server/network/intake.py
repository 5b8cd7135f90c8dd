"""How much is taken from a connection, and when (shell: event loop).

A connection is read while nothing holds it back; several reasons may do so at the same time. What
arrives in a large piece is taken in turns, one in each tick of the event loop, so that others have
theirs in between: the event loop itself would hand over up to 32 pieces of 256 KiB at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

# Half a millisecond's worth of short commands. With 64 KiB the GETs of others wait twice as long
# behind a pipeline without end, with 16 KiB such a pipeline gets half as far.
TURN_BYTES: Final = 32 * 1024
# With so few lines at its beginning a piece holds long values: few commands, quickly read.
_SAMPLE_BYTES: Final = 1024
_SAMPLE_LINES_MAX: Final = 16


class Intake:
    """Owned by a connection; `take` gets what is received, mostly `TURN_BYTES` at a time.

    `is_in_turn` is true while it does: then it must not come back to `spread`.
    """

    __slots__ = (
        "_backlog",
        "_is_paused",
        "_is_scheduled",
        "_is_stopped",
        "_reasons",
        "_start",
        "_take",
        "_transport",
        "is_in_turn",
    )

    def __init__(self, transport: asyncio.Transport, take: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._take = take
        self._reasons = 0
        # Received, but not taken: `_backlog[_start:]`.
        self._backlog = b""
        self._start = 0
        self._is_paused = False
        self._is_scheduled = False
        self._is_stopped = False
        self.is_in_turn = False

    @property
    def backlog_bytes(self) -> int:
        """Bytes received that have not had their turn."""
        return len(self._backlog) - self._start

    def hold_back(self) -> None:
        """There is one more reason not to read."""
        self._reasons += 1
        self._settle()

    def go_on(self) -> None:
        """There is one reason less."""
        self._reasons -= 1
        self._settle()

    def stop(self) -> None:
        """Take nothing any more, not even what was received."""
        self._is_stopped = True
        self._backlog, self._start = b"", 0
        self._settle()

    def spread(self, data: bytes) -> None:
        """Take a large piece, the beginning of it now."""
        self._backlog, self._start = data, 0
        self._take_turn()

    def _take_turn(self) -> None:
        self._is_scheduled = False
        if self._backlog and not (self._reasons or self._transport.is_closing()):
            self.is_in_turn = True
            self._take(self._next_piece())
            self.is_in_turn = False
        self._settle()

    def _next_piece(self) -> bytes:
        backlog, start = self._backlog, self._start
        is_dense = backlog.count(b"\n", start, start + _SAMPLE_BYTES) > _SAMPLE_LINES_MAX
        end = start + TURN_BYTES if is_dense else len(backlog)
        if end < len(backlog):
            self._start = end
        else:
            self._backlog, self._start = b"", 0
        return backlog[start:end]

    def _settle(self) -> None:
        """Read, or do not; and see to the next turn."""
        if self._transport.is_closing():
            return
        if self._backlog and not (self._reasons or self._is_scheduled):
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._take_turn)
        must_pause = bool(self._reasons or self._backlog or self._is_stopped)
        if must_pause != self._is_paused:
            self._is_paused = must_pause
            if must_pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
