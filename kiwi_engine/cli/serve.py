"""`kiwi-engine serve`: settings from file, environment and flags, then the server (glue)."""

from __future__ import annotations

import argparse
import os
from itertools import groupby
from typing import Any

from kiwi_engine.config.load import load_settings, user_lines
from kiwi_engine.config.reference import default_text
from kiwi_engine.config.schema import SCHEMA
from kiwi_engine.errors import ConfigError
from kiwi_engine.logs import setup_logging

_DESCRIPTION = """\
Serve until SIGTERM or SIGINT. Every key of the configuration can be given as a flag; flags win over
KIWI_* environment variables, those over the file. `kiwi-engine config` explains each key.
"""
_EPILOG = """\
exit codes: 0 stopped as asked; 1 could not start or failed; 2 wrong configuration (all problems are
listed) or a directory of another version; 3 the data directory is in use; 4 damaged data, to be
looked at with `kiwi-engine recover`
"""


def add_parser(subparsers: Any) -> None:
    """Add the verb with one option per key."""
    parser = subparsers.add_parser(
        "serve",
        help="run the server",
        usage="%(prog)s [--config FILE] [--dir DIR] [--bind ADDR] [--port N] [--KEY VALUE ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file (see `config`)")
    # Unknown options are collected, so that they are reported with all other problems.
    parser.set_defaults(unknown_flags=())
    for section, keys in groupby(SCHEMA.values(), key=lambda key: key.row.section):
        group = parser.add_argument_group(section)
        for key in keys:
            names = [key.flag, *([f"--{key.row.alias}"] if key.row.alias else [])]
            group.add_argument(
                *names,
                dest="key_" + key.field,
                metavar="VALUE",
                help=f"{key.row.help} Default: {default_text(key) or '(empty)'}".replace("%", "%%"),
            )


def run(arguments: argparse.Namespace) -> int:
    """Serve; returns the exit code of the supervisor."""
    given = {
        key.name: text
        for key in SCHEMA.values()
        if (text := getattr(arguments, "key_" + key.field)) is not None
    }
    settings = load_settings(
        arguments.config, os.environ, given, unknown_flags=arguments.unknown_flags
    )
    _check_directory(settings.dir)
    setup_logging("server", settings.loglevel, settings.logfile)
    # Late: the server pulls in everything, and wrong settings should be told at once.
    from kiwi_engine.server.lifecycle.supervisor import serve
    from kiwi_engine.server.network.initial_users import initial_users

    users = initial_users(settings, user_lines(arguments.config))
    config_file = os.path.abspath(arguments.config) if arguments.config is not None else ""
    return serve(settings, config_file, users)


def _check_directory(path: str) -> None:
    """`ConfigError` for a `dir` that cannot work; whose data is in it is found out later."""
    parent = os.path.dirname(path)
    if os.path.exists(path):
        if not os.path.isdir(path):
            raise ConfigError([f"dir: {path} is not a directory"])
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError([f"dir: {path} may not be read and written by this user"])
    elif not os.path.isdir(parent):
        raise ConfigError([f"dir: {path} cannot be made: there is no directory {parent}"])
    elif not os.access(parent, os.W_OK | os.X_OK):
        raise ConfigError([f"dir: {path} cannot be made: {parent} may not be written by this user"])
