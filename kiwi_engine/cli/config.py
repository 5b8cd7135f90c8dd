"""`kiwi-engine config`: the sample file, or the reference page (glue)."""

from __future__ import annotations

import argparse
from typing import Any

from kiwi_engine.config.reference import reference_page, sample_file


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "config",
        help="print a commented configuration file",
        description="Print a configuration file that spells out every key with its default.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the reference page docs/configuration.md"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    print(reference_page() if arguments.markdown else sample_file(), end="")
    return 0
