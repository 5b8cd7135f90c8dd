"""The report of `kiwi-engine recover` on a backup (pure)."""

from __future__ import annotations

from typing import Any

import msgspec

from kiwi_engine.engine.backup.verify import BackupVerification
from kiwi_engine.engine.inspection.report import exit_code_of
from kiwi_engine.engine.restore.until import show_time


def backup_document(report: BackupVerification) -> dict[str, Any]:
    """The report for programs, without the list of all files."""
    document: dict[str, Any] = msgspec.to_builtins(report)
    if document["manifest"]:
        document["manifest"]["files"] = len(document["manifest"]["files"])
    return document | {"exit_code": exit_code_of(report.verdict)}


def backup_lines(report: BackupVerification) -> list[str]:
    """The report for reading."""
    lines = [f"backup       {report.path}"]
    if report.manifest is None:
        lines.append("state        unknown: its manifest cannot be read")
    else:
        manifest = report.manifest
        lines.append(
            f"state        as after LSN {manifest.last_lsn}, {show_time(manifest.taken_ms)}"
        )
        lines.append(f"of           {manifest.identity}, made by {manifest.made_by}")
        lines.append(f"verified     {report.files_checked} files of {report.bytes_checked} bytes")
    for finding in report.findings:
        where = f"{finding.path} at offset {finding.offset}"
        lines.append(f"{finding.severity:<12} {where}: {finding.reason}")
    if report.findings_left_out:
        lines.append(f"             and {report.findings_left_out} more of these")
    lines.append(f"verdict      {report.verdict}")
    return lines
