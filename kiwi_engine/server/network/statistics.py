"""What the network runtime counts (pure).

Only its event loop touches these objects. `NetworkStatistics.reset` serves `CONFIG RESETSTAT`.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from kiwi_engine.histogram import Histogram

_RATE_SAMPLES: Final = 16


class CommandStatistics:
    """Calls of one command: `usec` is their total time; rejected ones were not run."""

    __slots__ = ("calls", "failed_calls", "latency", "nanoseconds", "rejected_calls")

    def __init__(self) -> None:
        self.calls = 0
        self.nanoseconds = 0
        self.rejected_calls = 0
        self.failed_calls = 0
        self.latency = Histogram()

    def ran(self, duration_ns: int) -> None:
        """It was called once more."""
        self.calls += 1
        self.nanoseconds += duration_ns
        self.latency.record_ns(duration_ns)

    def facts(self) -> dict[str, int]:
        """The counters under the names that `INFO commandstats` uses."""
        return {
            "calls": self.calls,
            "usec": self.nanoseconds // 1000,
            "rejected_calls": self.rejected_calls,
            "failed_calls": self.failed_calls,
        }


class NetworkStatistics:
    """Totals since the start or the last reset, and rates of the last second or two.

    The connections count their commands and bytes here; `server.network.local.dispatch` keeps
    `commands` and `errors` for the commands it runs.
    """

    __slots__ = (
        "_samples",
        "commands",
        "commands_processed",
        "connections_received",
        "connections_rejected",
        "errors",
        "input_bytes",
        "output_bytes",
        "output_limit_disconnections",
        "protocol_errors",
        "query_limit_disconnections",
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.connections_received = 0
        self.connections_rejected = 0
        self.commands_processed = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.output_limit_disconnections = 0
        self.query_limit_disconnections = 0
        self.protocol_errors = 0
        self.commands: dict[str, CommandStatistics] = {}
        # Error replies by their first word, e.g. `ERR`, `NOAUTH`.
        self.errors: dict[str, int] = {}
        self._samples: deque[tuple[int, int, int, int]] = deque(maxlen=_RATE_SAMPLES)

    def of_command(self, name: str) -> CommandStatistics:
        """The counters of the command with this full name."""
        found = self.commands.get(name)
        if found is None:
            found = self.commands[name] = CommandStatistics()
        return found

    def latency_counts(self) -> dict[str, list[int]]:
        """How often each command took how long, by the buckets of a `Histogram`."""
        return {
            name: command.latency.counts()
            for name, command in self.commands.items()
            if command.latency.count
        }

    def count_error(self, text: str) -> None:
        """Count an error reply by its first word."""
        word = text.split(" ", 1)[0]
        self.errors[word] = self.errors.get(word, 0) + 1

    def sample(self, now_ns: int) -> None:
        """Remember the totals of this moment; called about every 100 ms."""
        self._samples.append((now_ns, self.commands_processed, self.input_bytes, self.output_bytes))

    def rates(self) -> tuple[float, float, float]:
        """Commands, input bytes and output bytes per second between the samples kept."""
        if len(self._samples) < 2:
            return (0.0, 0.0, 0.0)
        oldest, newest = self._samples[0], self._samples[-1]
        seconds = (newest[0] - oldest[0]) / 1e9
        if seconds <= 0:
            return (0.0, 0.0, 0.0)
        return (
            (newest[1] - oldest[1]) / seconds,
            (newest[2] - oldest[2]) / seconds,
            (newest[3] - oldest[3]) / seconds,
        )
