"""`kiwi-engine backup`: a backup of a running server, or of a directory that none serves (glue)."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any, Final

from kiwi_engine.cli.live import LiveServer
from kiwi_engine.cli.progress import TerminalProgress
from kiwi_engine.cli.server_options import add_server_options, target_of
from kiwi_engine.clock import sleep
from kiwi_engine.engine.restore.until import show_time
from kiwi_engine.errors import BackupError

_POLL_S: Final = 0.1
_DESCRIPTION: Final = """\
Make a backup of everything in TARGET, a directory that does not exist yet or is empty. The server
goes on meanwhile; the backup is the state after one log record, and names it. TARGET is a path on
the server's machine. Files that never change are shared with the data directory, if that is on the
same file system: then the backup takes hardly any space, and is lost with the disk.

With --incremental, TARGET may hold an earlier backup of the same directory. Only what is new is
copied, and the new backup takes the place of the old one in a single step.
"""
_EPILOG: Final = """\
exit codes: 0 made; 1 not made, TARGET holds what it held before; 2 wrong usage, no data directory
or one of another version; 3 the directory is in use: leave out --dir to ask its server; 4 damaged
data
"""


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "backup",
        help="back up a running server or a data directory",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="TARGET", help="the directory of the backup")
    parser.add_argument(
        "--incremental", action="store_true", help="renew the backup that TARGET holds, if any"
    )
    add_server_options(parser, "back up this data directory, which no server uses, instead")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Make the backup; every refusal is raised."""
    target = os.path.abspath(arguments.target)
    if arguments.dir is None:
        report = _back_up_server(arguments, target)
    else:
        # Late: asking a server needs neither engine nor RocksDB.
        from kiwi_engine.cli.backup_directory import back_up_directory

        with TerminalProgress() as progress:
            report = back_up_directory(
                os.path.abspath(arguments.dir), target, arguments.incremental, progress
            )
    print(json.dumps(report) if arguments.json else "\n".join(backup_lines(report)))
    return 0


def _back_up_server(arguments: argparse.Namespace, target: str) -> dict[str, Any]:
    server = LiveServer(target_of(arguments))
    try:
        server.start_backup(target, arguments.incremental)
        with TerminalProgress() as progress:
            shown = False
            while (status := server.backup_status())["in_progress"]:
                if not shown and status["total_bytes"]:
                    progress.start("backing up", status["total_bytes"])
                    shown = True
                progress.reach(status["done_bytes"])
                sleep(_POLL_S)
    finally:
        server.close()
    if status["failure"]:
        raise BackupError(status["failure"])
    begin = "last_"
    return {n.removeprefix(begin): v for n, v in status.items() if n.startswith(begin)}


def backup_lines(report: dict[str, Any]) -> list[str]:
    """What was made, for reading."""
    return [
        f"backup    {report['target']}",
        f"state     after LSN {report['last_lsn']}, at {show_time(report['taken_ms'])}",
        f"files     {report['files']}, {report['total_bytes']} bytes",
        f"new       {report['written_bytes']} bytes, in {report['duration_ms'] / 1000:.1f} s",
    ]
