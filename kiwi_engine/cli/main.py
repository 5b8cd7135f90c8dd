"""The `kiwi-engine` program (glue): finds the verb, runs it, turns errors into exit codes.

Exit codes: 0 all is well; 1 it failed (the reason is on standard error); 2 wrong usage or
configuration, or a data directory of another version; 3 the data directory is in use; 4 damaged
data; 130 interrupted. A verb may document further ones.

Only the module of the wanted verb is imported, so that `--help` and `config` answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from kiwi_engine.errors import ConfigError, CorruptionError, KiwiError, LayoutError, LockedError

VERBS: Final = ("serve", "stats", "recover", "gc", "backup", "restore", "dump", "config")
_PROGRAM: Final = "kiwi-engine"

_DESCRIPTION: Final = "Kiwi Engine: a durable, disk-sized, Redis-compatible storage server."
_EPILOG: Final = f"""\
first steps:
  {_PROGRAM} serve                     serve on 127.0.0.1:7379, data in ./kiwi-data
  {_PROGRAM} config > kiwi.conf        write a commented configuration file
  {_PROGRAM} serve --config kiwi.conf  serve with it
  {_PROGRAM} VERB --help               what a verb does and takes
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with `argv` (default: the process's own) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["--version"], ["-V"]):
        from kiwi_engine.cli.version import version_text

        print(version_text())
        return 0
    try:
        code = _run(words)
        # Here, where a reader that has left can still be told from a failure.
        sys.stdout.flush()
        return code
    except ConfigError as error:
        return _fail(2, *error.problems)
    except LayoutError as error:
        return _fail(2, str(error))
    except LockedError as error:
        return _fail(3, str(error))
    except CorruptionError as error:
        return _fail(4, f"damaged data: {error}")
    except KiwiError as error:
        return _fail(1, str(error))
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        return _fail(1, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    wanted = words[0] if words[:1] and words[0] in VERBS else None
    parser, modules = _build_parser(VERBS if wanted is None else (wanted,))
    arguments, extra = parser.parse_known_args(words)
    if extra and not hasattr(arguments, "unknown_flags"):
        parser.error(f"unrecognized arguments: {' '.join(extra)}")
    arguments.unknown_flags = extra
    return int(modules[arguments.verb].run(arguments))


def _build_parser(
    verbs: Sequence[str],
) -> tuple[argparse.ArgumentParser, dict[str, ModuleType]]:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", "-V", action="store_true", help="name all versions in use and exit"
    )
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    modules = {verb: importlib.import_module(f"kiwi_engine.cli.{verb}") for verb in verbs}
    for module in modules.values():
        module.add_parser(subparsers)
    return parser, modules


def _reader_left() -> int:
    """Whoever read our output (`head`, say) had enough; what is still buffered goes nowhere."""
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return 0


def _fail(code: int, *lines: str) -> int:
    for line in lines:
        print(f"{_PROGRAM}: {line}", file=sys.stderr)
    return code
