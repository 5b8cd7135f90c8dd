"""What two processes gain over one: figures, ratios, and the page (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MODES: Final = ("dual", "single")
RATIO_GOAL: Final = 1.2
CLIENT: Final = "client"


@dataclass(frozen=True)
class Round:
    """One measurement of throughput; processor time by process, `CLIENT` among them."""

    commands: int
    seconds: float
    processor_seconds: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds

    @property
    def cores_used(self) -> float:
        """By the server and the client together."""
        return sum(self.processor_seconds.values()) / self.seconds

    def cost_us(self, process: str) -> float:
        """Processor time of a process for one command, in microseconds."""
        return self.processor_seconds[process] / self.commands * 1e6

    @property
    def rate_alone(self) -> float:
        """Commands for a processor second of the busiest process of the server.

        What it would come to with a core for each process, the client's among them: a process runs
        its Python on one core at a time. (Threads that hold no interpreter lock are counted in, so
        it is a little low.)
        """
        return 1e6 / max(self.cost_us(each) for each in self.processor_seconds if each != CLIENT)


@dataclass(frozen=True)
class Waits:
    """Of one kind of question in one situation, in milliseconds, as if asked every two."""

    p50_ms: float
    p99_ms: float
    most_ms: float


@dataclass
class Isolation:
    """All that was measured: `rounds[mode]`, `waits[situation][mode][kind]`."""

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    waits: dict[str, dict[str, dict[str, Waits]]] = field(default_factory=dict)
    # What could not be measured here, and why.
    skipped: dict[str, str] = field(default_factory=dict)

    def rate(self, mode: str) -> float:
        """Median, in commands a second."""
        return statistics.median(each.rate for each in self.rounds[mode])

    def rate_alone(self, mode: str) -> float:
        """Median of `Round.rate_alone`."""
        return statistics.median(each.rate_alone for each in self.rounds[mode])

    @property
    def ratio(self) -> float:
        return self.rate("dual") / self.rate("single")

    def verdict(self, cores: int) -> list[str]:
        """Whether the goal was reached and, where not, what the measurement says of it."""
        if self.ratio >= RATIO_GOAL:
            return [f"goal met: dual is {self.ratio:.2f} x single, goal {RATIO_GOAL}"]
        dual, single = (
            statistics.median(each.cores_used for each in self.rounds[mode]) for mode in MODES
        )
        alone, single_alone = self.rate_alone("dual"), self.rate_alone("single")
        return [
            f"goal missed: dual is {self.ratio:.2f} x single, goal {RATIO_GOAL}",
            f"cores used, client included: {dual:.2f} by dual, {single:.2f} by single, of {cores}",
            f"with a core for each process: {alone / single_alone:.2f} x single",
            f"commands for a processor second of the busiest: {alone:,.0f} and {single_alone:,.0f}",
        ]

    def as_markdown(self, facts: Mapping[str, str]) -> str:
        """A page with the machine and two tables."""
        lines = ["# Two processes and one", ""]
        lines += [f"- {name}: {value}" for name, value in facts.items()]
        lines += self._throughput(int(facts.get("cores", "1")))
        lines += self._latencies()
        return "\n".join(lines) + "\n"

    def _throughput(self, cores: int) -> list[str]:
        if not self.rounds:
            return []
        lines = ["", "## Throughput of a mixed, pipelined load with synced writes", ""]
        lines.append(_row(["mode", "commands/s", "cores used", "microseconds a command"]))
        lines.append("|---|---:|---:|---|")
        for mode, rounds in self.rounds.items():
            rates = [each.rate for each in rounds]
            costs = (
                f"{process} {statistics.median(each.cost_us(process) for each in rounds):.2f}"
                for process in rounds[0].processor_seconds
            )
            used = statistics.median(each.cores_used for each in rounds)
            shown = f"{self.rate(mode):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"
            lines.append(_row([mode, shown, f"{used:.2f}", ", ".join(costs)]))
        return [*lines, "", *(f"{line}  " for line in self.verdict(cores))]

    def _latencies(self) -> list[str]:
        if not self.waits:
            return []
        titles = [f"{kind} {what}" for kind in ("PING", "GET") for what in ("p50", "p99", "max")]
        lines = ["", "## Waiting times while storage is busy, milliseconds", ""]
        lines += [_row(["storage is busy with", "mode", *titles]), "|---|---|" + "---:|" * 6]
        for situation, modes in self.waits.items():
            for mode, kinds in modes.items():
                figures = [
                    f"{figure:.1f}"
                    for kind in ("ping", "read")
                    for figure in (
                        kinds[kind].p50_ms,
                        kinds[kind].p99_ms,
                        kinds[kind].most_ms,
                    )
                ]
                lines.append(_row([situation, mode, *figures]))
        return [*lines, *(f"\n{name} was left out: {why}" for name, why in self.skipped.items())]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
