"""`kiwi-engine stats`: the facts of a live server, or of a directory, read-only (glue)."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console

from kiwi_engine.cli.facts import Facts, parse_info, print_tables
from kiwi_engine.cli.live import LiveServer
from kiwi_engine.cli.server_options import add_server_options, target_of
from kiwi_engine.clock import sleep

_DESCRIPTION: Final = """\
Show what a server is doing: all sections of INFO as tables, or as JSON with numbers as numbers.
With --dir they are read from a data directory instead, which changes nothing there; beside a
running server they are what that server had written to disk.
"""
_EPILOG: Final = """\
exit codes: 0 shown (or interrupted while watching); 1 no answer; 2 wrong usage; 4 damaged data
"""


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "stats",
        help="show the facts of a running server or of a data directory",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    add_server_options(parser, "read this data directory instead")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_positive_seconds,
        const=1.0,
        help="show again every SECONDS (default 1) until interrupted; JSON is one line each",
    )


def _positive_seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError("expected seconds above 0 and at most a day")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Show the facts once, or again and again."""
    console = Console(highlight=False)
    if arguments.dir is not None:
        # Late: a look at a live server needs neither engine nor RocksDB.
        from kiwi_engine.cli.directory_facts import directory_facts

        _show(lambda: directory_facts(arguments.dir), arguments, console)
        return 0
    server = LiveServer(target_of(arguments))
    try:
        _show(lambda: parse_info(server.info()), arguments, console)
    finally:
        server.close()
    return 0


def _show(read: Callable[[], Facts], arguments: argparse.Namespace, console: Console) -> None:
    if arguments.watch is None:
        _print(read(), console, arguments.json, indent=2)
        return
    try:
        while True:
            facts = read()
            if not arguments.json:
                console.clear()
            _print(facts, console, arguments.json, indent=None)
            sleep(arguments.watch)
    except KeyboardInterrupt:
        return


def _print(facts: Facts, console: Console, as_json: bool, indent: int | None) -> None:
    if as_json:
        print(json.dumps(facts, indent=indent), flush=True)
    else:
        print_tables(facts, console)
