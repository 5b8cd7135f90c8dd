"""The pure and small parts of an inspection: verdicts, bounds, who owns a directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from kiwi_engine.cli.recover import report_lines
from kiwi_engine.commit.changes import Changes
from kiwi_engine.engine.inspection import values as inspect_values
from kiwi_engine.engine.inspection.owner import is_locked, owner_of
from kiwi_engine.engine.inspection.report import (
    FINDINGS_MAX,
    DirectoryReport,
    Findings,
    Severity,
    Verdict,
)
from kiwi_engine.engine.inspection.values import MissingValues, ValueLogInspector
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.vlog.format import Pointer, encode_pointer
from kiwi_engine.vlog.separated import Separated


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


class NoSegments:
    """A value log that holds nothing."""

    def holds(self, pointer: Pointer) -> bool:
        return False


def changes_of(*keys: bytes) -> Changes:
    entry = Separated(encode_pointer(Pointer(1, 20, 100, 50)), b"head")
    return Changes(0, [], dict.fromkeys(keys, entry))


def test_only_the_last_word_on_a_key_can_miss_its_value() -> None:
    missing = MissingValues(cast(ValueLogInspector, NoSegments()))
    assert missing.read(1, changes_of(b"a", b"b", b"c", b"d")) == []
    missing.read(2, Changes(0, [], {b"a": None}))
    missing.read(3, Changes(0, [(b"b", b"c")], {}))
    missing.read(4, changes_of(b"c"))
    assert [(entry.key, entry.lsn) for entry in missing.judge()] == [(b"d", 1), (b"c", 4)]


def test_very_many_missing_values_are_judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_values, "_WAITING_MAX", 2)
    monkeypatch.setattr(inspect_values, "FINDINGS_MAX", 1)
    missing = MissingValues(cast(ValueLogInspector, NoSegments()))
    missing.read(1, changes_of(b"a", b"b", b"c"))
    missing.read(2, Changes(0, [], {b"a": None, b"b": None, b"c": None}))
    assert [entry.key for entry in missing.missing] == [b"a"]
    missing.read(3, changes_of(b"d", b"e"))
    assert [entry.key for entry in missing.judge()] == [b"a", b"d"], "what is beyond the bound"
