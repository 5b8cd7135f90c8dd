"""The pure and small parts of an inspection: verdicts, bounds, who owns a directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi_engine.cli.recover import report_lines
from kiwi_engine.engine.inspect_owner import is_locked, owner_of
from kiwi_engine.engine.inspect_report import (
    FINDINGS_MAX,
    DirectoryReport,
    Findings,
    Severity,
    Verdict,
)
from kiwi_engine.fs.posix import PosixFileSystem


def report(findings: Findings) -> DirectoryReport:
    return DirectoryReport(
        path="d",
        in_use_by=None,
        layout=None,
        case=None,
        meaning="",
        records_to_replay=0,
        log=None,
        value_log=None,
        index=None,
        findings=findings.all(),
        findings_left_out=findings.left_out,
        verdict=findings.verdict,
    )


@pytest.mark.parametrize(
    ("severities", "verdict", "code"),
    [
        ([], "clean", 0),
        (["note"], "clean", 0),
        (["torn tail", "note"], "torn tail", 1),
        (["torn tail", "unreadable"], "unreadable", 5),
        (["note", "torn tail", "unreadable", "corruption"], "corruption", 4),
    ],
)
def test_the_worst_finding_is_the_verdict(
    severities: list[Severity], verdict: Verdict, code: int
) -> None:
    findings = Findings()
    for severity in severities:
        findings.add(severity, "f", 0, "r")
    assert (report(findings).verdict, report(findings).exit_code) == (verdict, code)


def test_the_worst_finding_comes_first() -> None:
    findings = Findings()
    order: list[Severity] = ["note", "torn tail", "corruption", "unreadable"]
    for severity in order:
        findings.add(severity, "f", 0, "r")
    found = [finding.severity for finding in findings.all()]
    assert found == ["corruption", "unreadable", "torn tail", "note"]


def test_findings_are_bounded_and_the_rest_is_counted() -> None:
    findings = Findings()
    for offset in range(FINDINGS_MAX + 5):
        findings.add("corruption", "f", offset, "r")
        findings.add("corruption", "f", 0, "the same place again")
    findings.add("torn tail", "f", 0, "kept all the same")
    assert len(findings.all()) == FINDINGS_MAX + 1
    assert findings.left_out == 5
    assert "             and 5 more of these" in report_lines(report(findings))


def test_the_owner_is_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    assert owner_of(str(tmp_path)) is None
    lock = PosixFileSystem().lock_directory(str(tmp_path))
    assert owner_of(str(tmp_path)) == os.getpid()
    lock.release()
    assert owner_of(str(tmp_path)) is None


def test_a_lock_file_without_a_number_has_no_owner(tmp_path: Path) -> None:
    (tmp_path / "LOCK").write_text("nobody\n")
    assert owner_of(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("line", "locked"),
    [
        ("1: FLOCK  ADVISORY  WRITE 77 08:01:1234 0 EOF", True),
        ("1: FLOCK  ADVISORY  WRITE 78 08:01:1234 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE 77 08:01:9991234 0 EOF", False),
        ("1: POSIX  ADVISORY  WRITE 77 08:01:1234 0 EOF", False),
        ("1: -> FLOCK  ADVISORY  WRITE 77 08:01:1234 0 EOF", False),
        ("1: FLOCK", False),
    ],
)
def test_the_lock_table_is_read_exactly(line: str, locked: bool) -> None:
    table = f"4: POSIX  ADVISORY  READ 5 00:19:2 0 EOF\n{line}\n"
    assert is_locked(table, 77, 1234) is locked
