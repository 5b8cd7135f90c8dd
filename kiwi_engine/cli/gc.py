"""`kiwi-engine gc`: collect the dead part of the value log now (glue).

Of a running server it only asks for what the server does by itself, with a lower threshold. A
directory that no server has open is opened here, as a server would, and closed again.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from kiwi_engine.cli.facts import Scalar, parse_info
from kiwi_engine.cli.live import LiveServer
from kiwi_engine.cli.server_options import add_server_options, target_of
from kiwi_engine.clock import sleep

_POLL_S: Final = 0.2
_MEBIBYTE: Final = 1 << 20

_DESCRIPTION: Final = """\
Collect the dead part of the value log: values that were overwritten, deleted or expired. Every file
of which THRESHOLD percent or more is dead is emptied, by writing its live values again, and then
removed. A server does that by itself from value-gc-threshold on; this is for going further, before
a backup for example.

Without --dir a running server is asked; it goes on serving, and keeps to value-gc-rate. Files that
an open snapshot or a backup needs are removed when they are let go.
"""
_EPILOG: Final = """\
exit codes: 0 done, or (without --wait) begun; 1 it failed; 2 wrong usage, or not a data directory;
3 the directory is in use; 4 a damaged file was left alone, the rest is done
"""

Section = dict[str, Scalar | dict[str, Scalar]]


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "gc",
        help="collect the dead part of the value log now",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_server_options(parser, "open this data directory instead")
    parser.add_argument(
        "--config", metavar="FILE", help="the server's configuration file, for --dir"
    )
    parser.add_argument(
        "--threshold",
        metavar="PERCENT",
        type=_percent,
        default=10,
        help="dead part of a file from which on it is collected (default: %(default)s)",
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait for the server to finish, and say what it did"
    )


def _percent(text: str) -> int:
    percent = int(text)
    if not 1 <= percent <= 100:
        raise argparse.ArgumentTypeError("expected 1 to 100 percent")
    return percent


def run(arguments: argparse.Namespace) -> int:
    """Collect; the exit code is 4 where a damaged file was left alone."""
    if arguments.dir is None:
        return _collect_live(arguments)
    # Late: asking a live server needs neither engine nor RocksDB.
    from kiwi_engine.cli.gc_directory import collect_directory

    before, after = collect_directory(
        arguments.dir, arguments.config, arguments.threshold, _show_progress
    )
    return _report(before, after)


def _collect_live(arguments: argparse.Namespace) -> int:
    server = LiveServer(target_of(arguments))
    try:
        before = _value_log(server)
        server.collect(arguments.threshold)
        if not arguments.wait:
            print("collection started; `kiwi-engine stats` shows how it goes")
            return 0
        while (after := _value_log(server))["gc_asked_for"]:
            _show_progress(after)
            sleep(_POLL_S)
    finally:
        server.close()
    return _report(before, after)


def _value_log(server: LiveServer) -> Section:
    return parse_info(server.info())["valuelog"]


def _show_progress(facts: Section) -> None:
    """One line that is written over, only where a person looks."""
    if sys.stderr.isatty():
        line = (
            f"{facts['gc_state']} segment {facts['gc_segment']}, "
            f"{facts['segments']} segments, {_mebibytes(facts['disk_bytes'])} MiB"
        )
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)


def _report(before: Section, after: Section) -> int:
    if sys.stderr.isatty():
        print(f"\r{'':<78}\r", end="", file=sys.stderr)
    for line in report_lines(before, after):
        print(line)
    return 4 if after["gc_segments_unsound"] else 0


def report_lines(before: Section, after: Section) -> list[str]:
    """What was done between two looks at the value log (pure)."""
    collected, freed, values, rewritten = (
        _number(after, name) - _number(before, name)
        for name in (
            "gc_segments_collected",
            "gc_bytes_freed",
            "gc_values_rewritten",
            "gc_bytes_rewritten",
        )
    )
    sizes = [_mebibytes(facts["disk_bytes"]) for facts in (before, after)]
    ratio = after["space_amplification"]
    lines = [
        f"collected    {collected} segments, {_mebibytes(freed)} MiB",
        f"written      {values} values, {_mebibytes(rewritten)} MiB",
        f"value log    {sizes[0]} MiB before, {sizes[1]} MiB after, {ratio} x live",
    ]
    if after["gc_segments_held"]:
        lines.append(
            f"held         {after['gc_segments_held']} empty segments: the newest, or needed by a "
            "snapshot, a backup or the archive; removed when they are let go"
        )
    if unsound := after["gc_segments_unsound"]:
        lines.append(f"left alone   {unsound} damaged segments: {after['gc_last_error']}")
    return lines


def _number(facts: Section, name: str) -> int:
    value = facts[name]
    assert isinstance(value, int), name
    return value


def _mebibytes(size: object) -> str:
    assert isinstance(size, int)
    return f"{size / _MEBIBYTE:.1f}"
