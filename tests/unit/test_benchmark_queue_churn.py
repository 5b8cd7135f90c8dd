"""The benchmark of queues runs, and judges what it measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.queue_churn import QUEUES, TENTHS, Result, as_markdown, measure


@pytest.mark.parametrize("name", [queue.name for queue in QUEUES])
def test_every_queue_is_measured(name: str, tmp_path: Path) -> None:
    result = measure(name, 500, 300, 32 << 20, tmp_path / "data")
    for figures in (result.costs, result.means, result.frames):
        assert len(figures) == TENTHS
        assert min(figures) > 0
    assert f"| {name} | " in as_markdown([result], 500, {"machine": "any"})


def test_growth_compares_the_last_third_with_the_one_before() -> None:
    assert Result("q", costs=[9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 5.0, 2.0, 2.0, 2.0]).growth == 2.0
