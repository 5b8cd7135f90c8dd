"""`kiwi-engine dump`: what one file of the commit log, archive or value log holds (glue)."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from kiwi_engine.cli.dump_segments import Item, dump_segment
from kiwi_engine.cli.problems import reason_of
from kiwi_engine.errors import KiwiError, LayoutError

_DESCRIPTION: Final = """\
Show the records of one commit log segment (*.wal) or one file of a log archive (*.archive), or the
entries of one value log segment (*.vlog), with their offsets, sizes and, for log records, times and
the changes they make. Reads only. The file must have the name it had in its directory, because the
numbers in it are checked.
"""
_EPILOG: Final = """\
exit codes: 0 shown; 1 the file ends in a torn tail; 2 wrong usage, not a segment, or one of another
version; 4 damaged (what precedes the damage is shown); 5 could not be read
"""
_EXIT_CODES: Final = {"clean": 0, "torn tail": 1, "corruption": 4}
_BYTES_SHOWN: Final = 64


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "dump",
        help="show what a log file holds",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="a .wal, .archive or .vlog file")
    parser.add_argument("--json", action="store_true", help="print one JSON document per line")
    parser.add_argument(
        "--bytes",
        type=int,
        default=_BYTES_SHOWN,
        metavar="N",
        help="show at most N bytes of each key and value (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the file; the exit code says how it ends."""
    code = 0
    try:
        for item in dump_segment(arguments.file, max(arguments.bytes, 0)):
            _print(item, arguments.json)
            code = _EXIT_CODES.get(str(item.facts.get("ending")), code)
    except BrokenPipeError:
        raise
    except (ValueError, FileNotFoundError, IsADirectoryError, LayoutError) as error:
        return _fail(2, reason_of(error))
    except (KiwiError, OSError) as error:
        return _fail(5, reason_of(error))
    return code


def _print(item: Item, as_json: bool) -> None:
    print(json.dumps(item.facts) if as_json else item.text)


def _fail(code: int, reason: str) -> int:
    print(f"kiwi-engine: {reason}", file=sys.stderr)
    return code
