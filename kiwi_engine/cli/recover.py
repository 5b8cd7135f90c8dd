"""`kiwi-engine recover`: what opening a data directory would find, and saving what is good (glue).

Never changes the directory that it is pointed at.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

import msgspec

from kiwi_engine.cli.backup_report import backup_document, backup_lines
from kiwi_engine.cli.problems import reason_of
from kiwi_engine.cli.progress import TerminalProgress
from kiwi_engine.cli.salvage import KEY_RULES, salvage_lines
from kiwi_engine.engine.backup import verify as backup_verify
from kiwi_engine.engine.inspection.inspect import inspect_directory
from kiwi_engine.engine.inspection.report import DirectoryReport, exit_code_of
from kiwi_engine.engine.salvage.report import SalvageReport
from kiwi_engine.engine.salvage.salvage import salvage_directory
from kiwi_engine.errors import (
    BackupError,
    DiskFullError,
    EnginePoisonedError,
    KiwiError,
    LayoutError,
    LockedError,
    SalvageRefusedError,
    SalvageTargetError,
)
from kiwi_engine.fs.posix import PosixFileSystem

_DESCRIPTION: Final = """\
Report what a start would find in a data directory: the case of recovery, the commit log with its
records and LSNs, the value log, the state of the index, and every damaged place with its offset.
All checksums of both logs are checked. Nothing is ever changed and no lock is taken; a server that
runs there is named. A start clears a torn tail by itself and refuses corruption.

DIR may also be a backup: then every byte of it is compared with its manifest.

With --salvage TARGET, a new directory is written that a server can open: with everything that is
provably good, and a report of what is not. DIR stays as it is.
"""
_EPILOG: Final = """\
exit codes: 0 clean; 1 a torn tail only, nothing acknowledged is lost; 2 wrong usage, no data
directory, or one of another version; 4 corruption; 5 something could not be read.
With --salvage: 0 TARGET holds everything; 1 and a torn tail was cut off; 2 wrong usage, TARGET not
empty, or as above; 3 DIR is in use; 4 TARGET is there, but something is lost; 5 the system refused
to read or write; 6 nothing can be proven to be good. TARGET is made with 0, 1 and 4 only.
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
    parser.add_argument("directory", metavar="DIR", help="the data directory, or a backup")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--verify",
        action="store_true",
        help="also read every byte of the index and follow every pointer into the value log",
    )
    how.add_argument(
        "--salvage",
        metavar="TARGET",
        help="write what is provably good to the new directory TARGET",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit code is its verdict."""
    is_backup = backup_verify.is_backup(PosixFileSystem(), arguments.directory)
    if arguments.salvage is not None:
        return _refuse_backup(arguments) if is_backup else _salvage(arguments)
    return _verify_backup(arguments) if is_backup else _inspect(arguments)


def _refuse_backup(arguments: argparse.Namespace) -> int:
    print(f"kiwi-engine: {arguments.directory} is a backup: restore it", file=sys.stderr)
    return 2


def _verify_backup(arguments: argparse.Namespace) -> int:
    try:
        with TerminalProgress() as progress:
            report = backup_verify.verify_backup(PosixFileSystem(), arguments.directory, progress)
    except (BackupError, LayoutError) as error:
        return _fail(2, error)
    except (KiwiError, OSError) as error:
        return _fail(5, error)
    document = backup_document(report)
    print(json.dumps(document, indent=2) if arguments.json else "\n".join(backup_lines(report)))
    return exit_code_of(report.verdict)


def _salvage(arguments: argparse.Namespace) -> int:
    # `LockedError` is left to the program's own exit code.
    try:
        with TerminalProgress() as progress:
            report = salvage_directory(
                PosixFileSystem(), arguments.directory, arguments.salvage, KEY_RULES, progress
            )
    except LockedError:
        raise
    except (NotADirectoryError, LayoutError, SalvageTargetError) as error:
        return _fail(2, error)
    except SalvageRefusedError as error:
        return _fail(6, error)
    except (DiskFullError, EnginePoisonedError) as error:
        print(f"kiwi-engine: {arguments.salvage}: {error.reason}", file=sys.stderr)
        return 5
    except (KiwiError, OSError) as error:
        return _fail(5, error)
    return _print(report, salvage_lines(report), as_json=arguments.json)


def _inspect(arguments: argparse.Namespace) -> int:
    try:
        with TerminalProgress() as progress:
            report = inspect_directory(
                PosixFileSystem(), arguments.directory, verify=arguments.verify, progress=progress
            )
    except (NotADirectoryError, LayoutError) as error:
        return _fail(2, error)
    except (KiwiError, OSError) as error:
        return _fail(5, error)
    return _print(report, report_lines(report), as_json=arguments.json)


def _fail(code: int, error: Exception) -> int:
    print(f"kiwi-engine: {reason_of(error)}", file=sys.stderr)
    return code


def _print(report: DirectoryReport | SalvageReport, lines: list[str], *, as_json: bool) -> int:
    if as_json:
        document = msgspec.to_builtins(report) | {"exit_code": report.exit_code}
        print(json.dumps(document, indent=2))
    else:
        print("\n".join(lines))
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
                f"; verified {index.tables_verified} files, {index.entries_verified} entries, "
                f"{index.pointers_verified} pointers"
            )
        lines.append(
            f"index        {index.version}, applied LSN {index.applied_lsn}, "
            f"{index.table_files} files of {index.table_bytes} bytes{verified}"
        )
    return lines


def _ending(word: str, torn_bytes: int) -> str:
    return {"clean": "clean", "torn tail": f"torn ({torn_bytes} bytes)"}.get(word, "damaged")
