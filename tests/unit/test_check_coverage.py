"""The gate of `make coverage` closes where it should."""

from __future__ import annotations

from typing import Any

from scripts.check_coverage import COMPLETE, problems, table
from tests.tidy.test_documents import ROOT


def report(missing_lines: list[int], missing_branches: list[list[int]]) -> dict[str, Any]:
    summary = {"num_statements": 30, "num_branches": 8}
    file = {
        "missing_lines": missing_lines,
        "missing_branches": missing_branches,
        "summary": summary,
    }
    whole = {"missing_lines": [], "missing_branches": [], "summary": summary}
    return {"files": {"a/one.py": file, "b/two.py": whole}, "totals": {"percent_covered": 90.0}}


def test_what_is_complete_passes() -> None:
    assert problems(report([], []), ("a/*.py", "b/two.py"), 90.0) == []


def test_what_is_not_is_named() -> None:
    found = problems(report([3, 4], [[5, 7], [5, -1]]), ("a/*.py", "b/*.py"), 90.0)
    assert found == ["a/one.py: never run: 3, 4, 5->7, 5->-1"]


def test_a_pattern_without_files_and_a_low_total_are_problems() -> None:
    assert problems(report([], []), ("c/*.py",), 90.5) == [
        "c/*.py: there is no such file",
        "all of the program: 90.00 % is below 90.5 %",
    ]


def test_what_is_complete_is_counted() -> None:
    lines = table(report([], []), ("a/*.py", "?/one.py", "b/two.py"))
    assert [line.split() for line in lines[1:]] == [
        ["a/*.py", "1", "30", "8"],
        ["?/one.py", "1", "30", "8"],
        ["b/two.py", "1", "30", "8"],
        ["together", "2", "60", "16"],
        ["all", "of", "the", "program:", "90.00", "%"],
    ]


def test_each_pattern_names_a_file() -> None:
    for pattern in COMPLETE:
        assert list(ROOT.glob(pattern)), pattern
