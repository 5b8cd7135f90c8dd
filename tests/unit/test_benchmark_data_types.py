"""The benchmark of collections runs, and judges what it measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.data_types import TYPES, Result, Type, as_markdown, measure


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_every_type_is_measured(kind: Type, tmp_path: Path) -> None:
    result = measure(kind.name, 500, tmp_path / "data")
    assert result.reads.keys() == kind.reads.keys()
    assert min(result.insert_us, result.delete_ms, result.delete_answered_ms) > 0
    assert all(0 < median <= most for median, most in result.reads.values())
    page = as_markdown([result], 500, {"machine": "any"})
    assert f"## {kind.name}" in page
    assert all(f"| {name} |" in page for name in kind.reads)


def test_goals_that_were_missed_are_named() -> None:
    kind = TYPES[0]
    result = Result(kind.name, delete_ms=4.9, reads=dict.fromkeys(kind.reads, (99.0, 500.0)))
    assert list(result.misses(kind)) == []
    slow = Result(kind.name, delete_ms=5.1, reads=dict.fromkeys(kind.reads, (101.0, 500.0)))
    assert len(list(slow.misses(kind))) == 1 + len(kind.point_reads)
