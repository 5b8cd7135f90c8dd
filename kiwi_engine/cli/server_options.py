"""The options of verbs that ask a server, or open a directory instead (pure)."""

from __future__ import annotations

import argparse
import os
from typing import Final

PASSWORD_VARIABLE: Final = "KIWI_REQUIREPASS"
DEFAULT_PORT: Final = 7379


def add_server_options(parser: argparse.ArgumentParser, dir_help: str) -> None:
    """--port or --dir, --host and --password."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port of the server (default: %(default)s)"
    )
    source.add_argument("--dir", metavar="DIR", help=dir_help)
    parser.add_argument("--host", default="127.0.0.1", help="its address (default: %(default)s)")
    parser.add_argument(
        "--password", help=f"its password (default: {PASSWORD_VARIABLE} of the environment)"
    )


def password_of(arguments: argparse.Namespace) -> str:
    """The password given, or that of the environment, or none."""
    if arguments.password is not None:
        return str(arguments.password)
    return os.environ.get(PASSWORD_VARIABLE, "")
