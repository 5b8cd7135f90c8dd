"""The benchmark of many connections runs, and judges what it measures."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from benchmarks.connections import Figures, measure
from tests.conftest import StartKiwi

FIGURES = Figures(
    connections=10,
    idle_bytes=20 * 1024,
    kernel_bytes=1.0,
    sets=20,
    p50_ms=1.0,
    p99_ms=100.0,
    most_ms=200.0,
    busy_percent={"network": 10.0},
    active=5,
    active_rate=1000.0,
    active_percent={"network": 20.0},
)


def test_everything_is_measured(start_kiwi: StartKiwi) -> None:
    figures = asyncio.run(measure(start_kiwi(), 20, 10, 1.0, calm_s=0.1))
    assert figures.sets == 20
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.most_ms
    assert figures.active_rate > 0
    assert figures.busy_percent.keys() == figures.active_percent.keys()
    page = figures.as_markdown({"machine": "any"})
    assert "| 20 connections, one SET a second: SETs | 20.0 |" in page


def test_goals_that_were_missed_are_named() -> None:
    assert FIGURES.misses() == []
    assert len(replace(FIGURES, p99_ms=100.1, idle_bytes=20 * 1024 + 1).misses()) == 2
