"""The table of a comparison, as Markdown and as data (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from benchmarks.cases import Case, Measurement

SUBJECT: Final = "kiwi"


@dataclass(slots=True)
class Comparison:
    """All runs: `runs[case name][server]`; `syncs[server]`: sync calls for 1000 SETs."""

    machine: Mapping[str, str]
    servers: Mapping[str, str]
    cases: Sequence[Case]
    runs: dict[str, dict[str, list[Measurement]]] = field(default_factory=dict)
    syncs: dict[str, float] = field(default_factory=dict)

    def add(self, case: Case, server: str, measurement: Measurement) -> None:
        self.runs.setdefault(case.name, {}).setdefault(server, []).append(measurement)

    def median(self, case: Case, server: str) -> float:
        """Requests per second of the middle run."""
        runs = self.runs[case.name][server]
        return statistics.median(run.requests_per_second for run in runs)

    def ratio(self, case: Case) -> float | None:
        """Kiwi Engine's median to that of the better of the others; None without others."""
        others = [self.median(case, server) for server in self.servers if server != SUBJECT]
        return self.median(case, SUBJECT) / max(others) if others else None

    def misses(self) -> list[str]:
        """The cases whose goal was not reached."""
        ratios = ((case, self.ratio(case)) for case in self.cases)
        return [
            f"{case.name}: {ratio:.2f}, goal {case.goal:.1f}"
            for case, ratio in ratios
            if ratio is not None and ratio < case.goal
        ]

    def as_data(self) -> dict[str, Any]:
        """Everything, for a JSON file."""
        return {
            "machine": dict(self.machine),
            "servers": dict(self.servers),
            "syncs_per_1000_sets": self.syncs,
            "cases": [
                {
                    **asdict(case),
                    "median": {name: self.median(case, name) for name in self.servers},
                    "ratio": self.ratio(case),
                    "runs": {
                        name: [asdict(run) for run in runs]
                        for name, runs in self.runs[case.name].items()
                    },
                }
                for case in self.cases
            ],
        }

    def as_markdown(self) -> str:
        """A page with the machine and the table."""
        names = list(self.servers)
        titles = ["thousands of requests per second", *names, "ratio", "goal"]
        lines = ["# Comparison at `appendfsync always`", ""]
        lines += [f"- {name}: {value}" for name, value in self.machine.items()]
        lines += [f"- {name}: version {version}" for name, version in self.servers.items()]
        lines += [
            f"- {name}: {count:.0f} sync calls for 1000 SETs of 50 clients, P=1 (under strace)"
            for name, count in self.syncs.items()
        ]
        lines += ["", _row(titles), _row(["---", *["---:"] * (len(titles) - 1)])]
        lines += [_row(self._cells(case, names)) for case in self.cases]
        lines += [
            "",
            "Medians of interleaved runs (lowest to highest in brackets); the ratio is to",
        ]
        lines += ["the better of the other servers."]
        return "\n".join(lines) + "\n"

    def _cells(self, case: Case, names: Sequence[str]) -> list[str]:
        cells = [case.name]
        for name in names:
            rates = [run.requests_per_second / 1000 for run in self.runs[case.name][name]]
            median = statistics.median(rates)
            cells.append(f"{median:.1f} ({min(rates):.1f}-{max(rates):.1f})")
        ratio = self.ratio(case)
        cells.append("-" if ratio is None else f"{ratio:.2f}")
        return [*cells, f"{case.goal:.1f}"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
