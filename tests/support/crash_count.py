"""How many crashes a test run simulated (pure)."""

from __future__ import annotations

import pytest


def crash_count(terminal: pytest.TerminalReporter) -> str:
    """The sum of what the sweeps recorded as their `crashes`; "" if none ran."""
    sweeps = [
        (report, crashes)
        for report in terminal.stats.get("passed", [])
        for name, crashes in report.user_properties
        if name == "crashes"
    ]
    if not sweeps:
        return ""
    judged = sum(crashes for _, crashes in sweeps)
    spent_s = sum(report.duration for report, _ in sweeps)
    wall_s = max(report.stop for report, _ in sweeps) - min(report.start for report, _ in sweeps)
    return (
        f"crash sweeps: {judged:,} simulated crashes recovered from and judged"
        f" in {wall_s:.0f} s ({spent_s:.0f} s of all workers)"
    )
