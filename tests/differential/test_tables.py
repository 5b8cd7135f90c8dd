"""Hand-written sequences: each error text and each corner of a command, against real servers.

`sequences/*.txt` holds one sequence a line; its commands are separated by semicolons and split as a
shell would. Deadlines are far away or long past, so that no reply depends on the moment.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import pytest

from kiwi_engine.commands.registry import COMMANDS
from tests.differential.harness import Pair

DIRECTORY: Final = Path(__file__).parent / "sequences"
# SCAN and RANDOMKEY without keys at all, and FLUSHALL and its like, are in the files.
_ANY_ARGUMENTS: Final = {"scan", "randomkey", "flushdb", "flushall", "debug"}

# What Valkey does otherwise than Redis 7.2, by the beginning of the line.
VALKEY_DIFFERS: Final = {
    "set a 1 exat 1; get a;": "a deadline in the past deletes at once",
    "dbsize; set a 1; set a 2;": "a deadline in the past deletes at once",
    "set a 1 exat 1; dbsize; scan": "a deadline in the past deletes at once",
    "getex a; getex a ex 0;": "the time is checked before the key is looked up",
    "set a 1; object encoding a; object refcount a;": "small integers are not shared",
    "set a xxxx": "longer strings are embedded",
    "scan 0; scan x; scan '';": "a cursor is read more strictly",
    "scan 9223372036854775807;": "a cursor is read more strictly",
    "scan 0 foo bar;": "an unknown type is an error",
}


def arity_lines() -> list[str]:
    """Every storage command with one to five words."""
    rows = [row for row in COMMANDS.values() if row.where == "storage"]
    names = [row.name for row in rows if row.name not in _ANY_ARGUMENTS]
    return [
        "; ".join(" ".join([name, *"abcd"[:count]]) for count in range(5))
        for name in [*names, "nosuchcommand"]
    ]


def all_lines() -> list[str]:
    files = sorted(DIRECTORY.glob("*.txt"))
    assert files, "the sequences are missing"
    return arity_lines() + [line for path in files for line in path.read_text().splitlines()]


def valkey_lines() -> list[str]:
    lines = all_lines()
    found = [line for line in lines if not line.startswith(tuple(VALKEY_DIFFERS))]
    assert len(found) == len(lines) - len(VALKEY_DIFFERS), "an exception fits no line, or several"
    return found


def parse(line: str) -> list[list[bytes]]:
    """The commands of a line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[bytes]] = [[]]
    for token in lexer:
        if token == ";":
            commands.append([])
        else:
            commands[-1].append(token.encode())
    return commands


@pytest.mark.parametrize("line", all_lines())
def test_replies_are_those_of_redis(line: str, redis_pair: Pair) -> None:
    redis_pair.check_both(parse(line))


@pytest.mark.parametrize("line", valkey_lines())
def test_replies_are_those_of_valkey(line: str, valkey_pair: Pair) -> None:
    valkey_pair.check_both(parse(line))
