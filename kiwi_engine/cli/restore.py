"""`kiwi-engine restore`: a data directory from a backup and from the archived log (glue)."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any, Final

import msgspec

from kiwi_engine.cli.directory_facts import directory_facts
from kiwi_engine.cli.progress import TerminalProgress
from kiwi_engine.config.settings import Settings
from kiwi_engine.engine.from_settings import engine_settings
from kiwi_engine.engine.restore.restore import Restore, RestoreOrder, RestoreReport
from kiwi_engine.engine.restore.until import Until, parse_until, show_time
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.keyspace.encoding import tally

_DESCRIPTION: Final = """\
Make the data directory DIR from the backup SOURCE. Every file is checked against its checksum, then
the directory is opened once, as after a crash. DIR must not exist, or be empty; it gets its name in
the last step, so a restore that was cut off leaves nothing that could be taken for data.

With --archive, log records that were archived since the backup was made (wal-archive-dir) are
applied, each under the LSN that it had: all of them, or up to UNTIL.
"""
_EPILOG: Final = """\
UNTIL is an LSN (1042: the last record to apply) or a time (2026-11-21T17:15:00+00:00 or, in Unix
seconds, @1795281300: up to the first record that was made later; without a zone it is UTC).

exit codes: 0 restored; 1 refused or failed, there is nothing at DIR; 2 wrong usage, or a backup of
another version; 4 the backup or the archive is damaged
"""


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "restore",
        help="make a data directory from a backup",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="SOURCE", help="the directory of the backup")
    parser.add_argument("directory", metavar="DIR", help="the data directory to make")
    parser.add_argument("--until", metavar="UNTIL", type=_until, default=Until(), help="see below")
    parser.add_argument("--archive", metavar="ARCHIVE", help="apply the log archived here")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _until(text: str) -> Until:
    try:
        return parse_until(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Restore; every refusal is raised."""
    order = RestoreOrder(
        source=os.path.abspath(arguments.source),
        target=os.path.abspath(arguments.directory),
        archive=os.path.abspath(arguments.archive) if arguments.archive else "",
        until=arguments.until,
    )
    settings = engine_settings(Settings())
    with TerminalProgress() as progress:
        report = Restore(PosixFileSystem(), order, settings, tally, progress).run()
    keys = _count_keys(report.target)
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(report) | {"keys": keys}))
    else:
        print("\n".join(restore_lines(report, keys)))
    return 0


def _count_keys(directory: str) -> int:
    total = 0
    for database in directory_facts(directory)["keyspace"].values():
        count = database["keys"] if isinstance(database, dict) else 0
        assert isinstance(count, int), "counts are numbers"
        total += count
    return total


def restore_lines(report: RestoreReport, keys: int) -> list[str]:
    """What was restored, for reading."""
    lines = [
        f"restored  {report.target}, {keys} keys",
        f"state     after LSN {report.last_lsn}, at {show_time(report.committed_ms)}",
        f"backup    after LSN {report.backup_lsn}: {report.files} files, {report.bytes} bytes",
    ]
    if report.archive_lsn:
        lines.append(
            f"archive   {report.records_replayed} records applied; it ends at LSN "
            f"{report.archive_lsn}"
        )
    return lines
