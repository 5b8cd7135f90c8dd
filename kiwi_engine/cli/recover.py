"""`kiwi-engine recover`: what opening a data directory would find; changes nothing (glue)."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

import msgspec

from kiwi_engine.cli.problems import reason_of
from kiwi_engine.cli.progress import TerminalProgress
from kiwi_engine.engine.inspect import inspect_directory
from kiwi_engine.engine.inspect_report import DirectoryReport
from kiwi_engine.errors import KiwiError, LayoutError
from kiwi_engine.fs.posix import PosixFileSystem

_DESCRIPTION: Final = """\
Report what a start would find in a data directory: the case of recovery, the commit log with its
records and LSNs, the value log, the state of the index, and every damaged place with its offset.
All checksums of both logs are checked. Nothing is ever changed and no lock is taken; a server that
runs there is named. A start clears a torn tail by itself and refuses corruption.
"""
_EPILOG: Final = """\
exit codes: 0 clean; 1 a torn tail only, nothing acknowledged is lost; 2 wrong usage, no data
directory, or one of another version; 4 corruption; 5 something could not be read
"""


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "recover",
        help="report what a start would find in a data directory",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("directory", metavar="DIR", help="the data directory")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="also read every block of the index and follow every pointer into the value log",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit code is its verdict."""
    try:
        with TerminalProgress() as progress:
            report = inspect_directory(
                PosixFileSystem(), arguments.directory, verify=arguments.verify, progress=progress
            )
    except (NotADirectoryError, LayoutError) as error:
        print(f"kiwi-engine: {reason_of(error)}", file=sys.stderr)
        return 2
    except (KiwiError, OSError) as error:
        print(f"kiwi-engine: {reason_of(error)}", file=sys.stderr)
        return 5
    if arguments.json:
        document = msgspec.to_builtins(report) | {"exit_code": report.exit_code}
        print(json.dumps(document, indent=2))
    else:
        print("\n".join(report_lines(report)))
    return report.exit_code


def report_lines(report: DirectoryReport) -> list[str]:
    """The report for reading (pure)."""
    lines = [f"directory    {report.path}"]
    if report.in_use_by is not None:
        lines.append(f"in use       by process {report.in_use_by}")
    lines.append(f"case         {report.case or 'unknown'}: {report.meaning}")
    if report.case is not None:
        lines.append(f"to replay    {report.records_to_replay} records")
    lines += _part_lines(report)
    for finding in report.findings:
        where = f"{finding.path} at offset {finding.offset}"
        lines.append(f"{finding.severity:<12} {where}: {finding.reason}")
    if report.findings_left_out:
        lines.append(f"             and {report.findings_left_out} more of these")
    lines.append(f"verdict      {report.verdict}")
    return lines


def _part_lines(report: DirectoryReport) -> list[str]:
    lines = []
    if (log := report.log) is not None:
        lsns = f"LSN {log.first_lsn} to {log.last_lsn}" if log.records else "no LSN"
        lines.append(
            f"commit log   {log.segments} segments ({log.prepared_segments} prepared, "
            f"{log.recycled_segments} recycled besides), {log.records} records, {lsns}, "
            f"{log.record_bytes} bytes; ends {_ending(log.ending, log.torn_bytes)}"
        )
    if (values := report.value_log) is not None:
        lines.append(
            f"value log    {values.segments} segments, {values.entries} values of "
            f"{values.value_bytes} bytes, stored in {values.stored_bytes}"
        )
    if (index := report.index) is not None:
        verified = ""
        if index.entries_verified is not None:
            verified = (
                f"; verified {index.entries_verified} entries, {index.pointers_verified} pointers"
            )
        lines.append(
            f"index        {index.version}, applied LSN {index.applied_lsn}, "
            f"{index.table_files} files of {index.table_bytes} bytes{verified}"
        )
    return lines


def _ending(word: str, torn_bytes: int) -> str:
    return {"clean": "clean", "torn tail": f"torn ({torn_bytes} bytes)"}.get(word, "damaged")
