"""Finds what was slow, told by both runtimes, and has it kept (glue).

Each of several network processes looks after the commands of its own connections. What they find
is kept in the primary's (`server.network.spanning.reports`).
"""

from __future__ import annotations

from collections.abc import Callable

from kiwi_engine.channel.events import SlowCommand, Spike
from kiwi_engine.channel.numbering import SOLE, Numbering
from kiwi_engine.clock import monotonic_ns, wall_us
from kiwi_engine.commands.redaction import redacted
from kiwi_engine.commands.resolve import Resolved
from kiwi_engine.commands.slowness import shortened
from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.latency.monitor import LatencyMonitor
from kiwi_engine.server.network.latency.slow_log import SlowLog
from kiwi_engine.server.network.session import Session

_COMMAND, _FAST_COMMAND = "command", "fast-command"


class LatencyRecorder:
    """`find` tells the session of a connection, or None if it is gone.

    `keep_slow` and `keep_spike` take what was slow, as `slow_log` and `monitor` do.
    """

    def __init__(
        self,
        settings: Settings,
        find: Callable[[int], Session | None],
        numbering: Numbering = SOLE,
    ) -> None:
        self._find = find
        self._numbering = numbering
        self.slow_log = SlowLog(settings.slowlog_max_len)
        self.monitor = LatencyMonitor(settings.latency_monitor_threshold)
        self.keep_slow = self.slow_log.add
        self.keep_spike = self.monitor.add
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over thresholds and lengths."""
        self._slow_us = settings.slowlog_log_slower_than
        self.slow_log.resize(settings.slowlog_max_len)
        self.monitor.threshold_ms = settings.latency_monitor_threshold

    def storage_was_slow(self, event: SlowCommand) -> None:
        """A command of the storage runtime, whose group is durable now."""
        if not self._numbering.owns(event.source):
            return
        sync_us = max(0, (monotonic_ns() - event.ended_ns) // 1000)
        times_us = (event.queued_us, event.execute_us, sync_us)
        self._add(self._find(event.source), event.started_s, times_us, event.words)
        milliseconds = event.execute_us // 1000
        if self.monitor.is_spike(milliseconds):
            name = _FAST_COMMAND if event.is_fast else _COMMAND
            self.keep_spike(name, milliseconds, event.started_s)

    def spiked(self, event: Spike) -> None:
        """Something other than a command, which all network processes are told."""
        if self._numbering.number == 0:
            self.keep_spike(event.event, event.milliseconds, wall_us() // 1_000_000)

    def ran(
        self, session: Session, resolved: Resolved, words: list[bytes], duration_ns: int
    ) -> None:
        """A command of this runtime was run."""
        duration_us = duration_ns // 1000
        second = wall_us() // 1_000_000
        if "skip_slowlog" not in resolved.row.flags:
            self._add(session, second, (0, duration_us, 0), shortened(redacted(words)))
        if self.monitor.is_spike(duration_us // 1000):
            name = _FAST_COMMAND if "fast" in resolved.row.flags else _COMMAND
            self.keep_spike(name, duration_us // 1000, second)

    def _add(
        self,
        session: Session | None,
        started_s: int,
        times_us: tuple[int, int, int],
        words: list[bytes],
    ) -> None:
        if self._slow_us < 0 or times_us[1] < self._slow_us:
            return
        client, name = ("", b"") if session is None else (session.address, session.name)
        self.keep_slow(started_s, times_us, words, client, name)
