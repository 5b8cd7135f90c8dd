"""Hand-written sequences: each error text and each corner of a command, against real servers.

`sequences/*.txt` holds one sequence a line; its commands are separated by semicolons and split as a
shell would. Deadlines are far away or long past, so that no reply depends on the moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from kiwi_engine.commands.registry import COMMANDS
from tests.differential.harness import Pair
from tests.support.command_lines import commands_of

DIRECTORY: Final = Path(__file__).parent / "sequences"
# SCAN and RANDOMKEY without keys at all, and FLUSHALL and its like, are in the files.
_ANY_ARGUMENTS: Final = {"scan", "randomkey", "flushdb", "flushall", "debug"}

# What Valkey does otherwise than Redis 7.2, by the beginning of the line.
VALKEY_DIFFERS: Final = {
    "rpush a 0x10": "hexadecimal numbers are none",
    "rpush c '' 1 -1; sort": "numbers are read more strictly",
    "set a 1 exat 1; get a;": "a deadline in the past deletes at once",
    "dbsize; set a 1; set a 2;": "a deadline in the past deletes at once",
    "set a 1 exat 1; dbsize; scan": "a deadline in the past deletes at once",
    "getex a; getex a ex 0;": "the time is checked before the key is looked up",
    "set a 1; object encoding a; object refcount a;": "small integers are not shared",
    "set a xxxx": "longer strings are embedded",
    "scan 0; scan x; scan '';": "a cursor is read more strictly",
    "scan 9223372036854775807;": "a cursor is read more strictly",
    "hset c a 1; hscan c x;": "a cursor is read more strictly",
    "scan 0 foo bar;": "an unknown type is an error",
    "zadd z 0x10 a": "hexadecimal numbers are none",
    "evalsha; ": "Valkey does not say what to use instead",
    "evalsha_ro; ": "Valkey does not say what to use instead",
}


# What Redis 7.0 does otherwise than 7.2, likewise.
REDIS_DIFFERS: Final = {
    "lrem a -9223372036854775808": "the smallest number is taken",
    "sadd a x y 3; sadd b 3 x; sinterstore": "small sets of texts are no listpacks",
    "sadd a 3 x; sadd b 3 y; sinterstore": "small sets of texts are no listpacks",
    "sadd s 1 2 3 4 5 6 7 8 9 10 11 12;": "small sets of texts are no listpacks",
    "sadd s 9223372036854775807": "small sets of texts are no listpacks",
    "sadd s 01;": "small sets of texts are no listpacks",
    "xadd s 5-18446744073709551615": "another error where no sequence is left",
    "xread; xread streams;": "another error for odd lists",
    "xadd odd 1-1": "another error for odd lists",
    "xadd set 1-1": "XSETID may go below a deleted ID",
    "xgroup create s g 0 mkstream; xsetid": "XSETID may go below a deleted ID",
    "xadd shown 1-1": "consumers have no time of activity",
    "xadd active 1-1": "consumers have no time of activity",
    "xadd lagging 1-1": "entries read are miscounted behind a deleted entry",
    "xadd gap 3-3": "a lag is reckoned across a deleted entry, and may be negative",
    "xadd plus 1-1": "the ID + is of 7.4",
    "bitcount; bitcount a; bitcount a b;": "an absent key is 0, whatever the range is",
    "zrank; zrank a;": "WITHSCORE is of 7.2",
    "zrevrank; zrevrank a;": "WITHSCORE is of 7.2",
    "zadd z 1 a 2 b 2 c 2.5 d; zrank z c withscore": "WITHSCORE is of 7.2",
    "zadd x 0.1 a; zadd y 0.2 a": "doubles are printed with 17 digits",
    "geoadd a 13.361389": "scores are printed with 17 digits",
}


def arity_lines() -> list[str]:
    """Every storage command of Redis 7.2 with one to five words; Redis 7.0 has no later ones."""
    rows = [row for row in COMMANDS.values() if row.where == "storage"]
    known = [row for row in rows if not row.since.startswith("7.4")]
    names = [row.name for row in known if row.name not in _ANY_ARGUMENTS]
    return [
        "; ".join(" ".join([name, *"abcd"[:count]]) for count in range(5))
        for name in [*names, "nosuchcommand"]
    ]


def all_lines() -> list[str]:
    files = sorted(DIRECTORY.glob("*.txt"))
    assert files, "the sequences are missing"
    return arity_lines() + [line for path in files for line in path.read_text().splitlines()]


def lines_without(exceptions: dict[str, str]) -> list[str]:
    """All lines but those that begin like one of `exceptions`."""
    lines = all_lines()
    found = [line for line in lines if not line.startswith(tuple(exceptions))]
    assert len(found) == len(lines) - len(exceptions), "an exception fits no line, or several"
    return found


@pytest.mark.parametrize("line", lines_without(REDIS_DIFFERS))
def test_replies_are_those_of_redis(line: str, redis_pair: Pair) -> None:
    redis_pair.check_both(commands_of(line))


@pytest.mark.parametrize("line", lines_without(VALKEY_DIFFERS))
def test_replies_are_those_of_valkey(line: str, valkey_pair: Pair) -> None:
    valkey_pair.check_both(commands_of(line))
