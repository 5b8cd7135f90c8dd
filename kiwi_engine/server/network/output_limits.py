"""Clients that do not read what is sent to them, and when they are disconnected (shell).

A client that reads slowly is not read from either (`Connection.pause_writing`), and what it has
asked for already is executed as it reads (`channel.returned_runs`), so its own requests cannot pile
up replies without bound. What others cause to be sent to it can: `client-output-buffer-limit` is
its bound. To Redis whoever monitors, or tracks all keys under prefixes, is a normal client, which
has no limit by default; here the limits of subscribers hold for them unless there are others.

Only connections whose output has begun to wait are looked at: when it begins, when more is pushed,
and some times a second.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.output_limits import OutputLimit, OutputLimits
from kiwi_engine.server.network.local.client_lines import client_line
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.statistics import NetworkStatistics

logger = logging.getLogger(__name__)

# Output beyond this that the kernel does not take makes a client a slow one.
_HIGH_WATER_BYTES: Final = 64 * 1024


class Reader(Protocol):
    """A connection, as far as it is needed here."""

    session: Session

    def buffered_bytes(self) -> tuple[int, int]: ...

    def abort(self) -> None: ...


class SlowReaders:
    """Owned by the network runtime; values are since when (monotonic) output is above the soft
    limit, 0 while it is not."""

    def __init__(self, limits: OutputLimits, statistics: NetworkStatistics) -> None:
        self._statistics = statistics
        self._since_ns: dict[Reader, int] = {}
        # Bytes that waited for each when it was looked at last.
        self._waiting_bytes: dict[Reader, int] = {}
        self.configure(limits)

    def configure(self, limits: OutputLimits) -> None:
        """Take over limits; connections must then take over `high_water_bytes`."""
        self._limits = limits
        self.high_water_bytes = limits.smallest(_HIGH_WATER_BYTES)

    def add(self, reader: Reader) -> None:
        """More than `high_water_bytes` wait for a reader."""
        self._since_ns[reader] = 0
        self.check(reader, monotonic_ns())

    def remove(self, reader: Reader) -> None:
        """A reader has caught up, or is gone."""
        self._since_ns.pop(reader, None)
        self._waiting_bytes.pop(reader, None)

    def check(self, reader: Reader, now_ns: int) -> None:
        """Disconnect a slow reader if its limits say so."""
        since_ns = self._since_ns.get(reader)
        if since_ns is None:
            return
        session = reader.session
        limit = limit_of(session, self._limits)
        buffers = reader.buffered_bytes()
        if buffers[1] < self._waiting_bytes.get(reader, 0):
            # It reads, if slowly: it is not idle.
            session.last_interaction_ns = now_ns
        self._waiting_bytes[reader] = buffers[1]
        is_over, self._since_ns[reader] = judge(limit, buffers[1], since_ns, now_ns)
        if is_over:
            line = client_line(session, now_ns, buffers).decode("utf-8", "replace")
            logger.warning("a client does not read, its output limit ends it: %s", line)
            self._statistics.output_limit_disconnections += 1
            self.remove(reader)
            reader.abort()

    def sweep(self, now_ns: int) -> None:
        """To be called some times a second."""
        for reader in list(self._since_ns):
            self.check(reader, now_ns)


def limit_of(session: Session, limits: OutputLimits) -> OutputLimit:
    """The limit of the class that a client belongs to."""
    if session.subscriptions is not None:
        return limits.pubsub
    tracking = session.tracking
    is_told_without_asking = session.is_monitor or (tracking is not None and tracking.is_broadcast)
    if is_told_without_asking and not (limits.normal.hard or limits.normal.soft):
        return limits.pubsub
    return limits.normal


def judge(limit: OutputLimit, size: int, since_ns: int, now_ns: int) -> tuple[bool, int]:
    """Whether a client goes for whom `size` bytes wait, and since when it is above its soft limit.

    `since_ns` is what this returned the last time, 0 at first.
    """
    if limit.hard and size >= limit.hard:
        return True, since_ns
    if not limit.soft or size < limit.soft:
        return False, 0
    if not since_ns:
        return False, now_ns
    return now_ns - since_ns > limit.soft_seconds * 1_000_000_000, since_ns
