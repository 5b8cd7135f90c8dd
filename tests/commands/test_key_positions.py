"""Where keys stand among the words of a command, by the specifications of its row."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.key_positions import key_positions
from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.commands.rows import counted_keys, keys, keyword_keys, unknown_keys
from kiwi_engine.commands.table import KeySpec

ONE = keys("RO access")
ALL = keys("RO access", last=-1)
PAIRS = keys("OW update", last=-1, step=2)
ALL_BUT_LAST = keys("RW access", last=-2)
COUNTED = counted_keys("RO access", 1)
STREAMS = keyword_keys("RO access", "STREAMS", 1, last=-1, limit=2)
STORE = keyword_keys("OW update", "STORE", 6)
BACKWARDS = keyword_keys("RO access", "KEYS", -2, last=-1)


@pytest.mark.parametrize(
    ("spec", "line", "positions"),
    [
        (ONE, "get k", [1]),
        (ONE, "get", []),
        (ALL, "mget a b c", [1, 2, 3]),
        (ALL, "mget", []),
        (PAIRS, "mset a 1 b 2", [1, 3]),
        (PAIRS, "mset a", [1]),
        (ALL_BUT_LAST, "blpop a b 0", [1, 2]),
        (ALL_BUT_LAST, "blpop 0", []),
        (keys("RW access", first=2, last=2), "bitop not", []),
        (keys("RW access", last=2), "rename a", []),
        (COUNTED, "zinter 2 a b weights 1 2", [2, 3]),
        (COUNTED, "zinter 0", []),
        (COUNTED, "zinter -1 a", []),
        (COUNTED, "zinter x a", []),
        (COUNTED, "zinter 3 a b", []),
        (COUNTED, "zinter 9223372036854775807 a b", []),
        (STREAMS, "xread count 1 streams a b 0 0", [4, 5]),
        (STREAMS, "xread StReAmS a 0", [2]),
        (STREAMS, "xread streams streams a 0 0", [2, 3]),
        (STREAMS, "xread streams", []),
        (STREAMS, "xread count 1", []),
        (STORE, "georadius k 1 1 1 m store target", [7]),
        (STORE, "georadius k 1 1 1 m count 1 STORE target", [9]),
        (STORE, "georadius k 1 1 store m", []),
        (STORE, "georadius k 1 1 1 m store", []),
        (BACKWARDS, "migrate h p x 0 1 copy keys a", [8]),
        (BACKWARDS, "migrate h p x 0 1 KEYS a b", [7, 8]),
        (BACKWARDS, "migrate h p k 0 1 copy", []),
        (unknown_keys("RO access"), "sort k by w* get *", []),
        (KeySpec(finder=lambda words: range(1, len(words))), "anything a b", [1, 2]),
    ],
)
def test_positions(spec: KeySpec, line: str, positions: list[int]) -> None:
    assert list(key_positions(spec, line.encode().split())) == positions


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hset h a 1", "h"), ("hexpire h 10 fields 1 a", "h"), ("del a b", "a b"),
        ("smove a b m", "a b"), ("sintercard 2 a b limit 1", "a b"), ("sinterstore a b c", "a b c"),
        ("lmove a b left right", "a b"), ("lmpop 2 a b left", "a b"),
        ("zunionstore t 2 a b weights 1 2", "t a b"), ("zmpop 1 a min", "a"),
        ("zrangestore t a 0 -1", "t a"), ("zdiff 2 a b", "a b"),
        ("bitop and t a b", "t a b"), ("pfmerge t a b", "t a b"),
        ("xread count 1 streams a b 0 0", "a b"),
        ("xreadgroup group g c streams a >", "a"), ("xgroup create k g 0", "k"),
        ("sort a by w* store t", "a t"), ("object encoding k", "k"), ("mset a 1 b 2", "a b"),
    ],
)  # fmt: skip
def test_the_rows_find_the_keys_of_their_commands(line: str, expected: str) -> None:
    words = line.encode().split()
    row = COMMANDS[words[0].decode()]
    for subcommand in row.subcommands:
        if subcommand.name == words[1].decode():
            row = subcommand
    found = [words[at].decode() for spec in row.keys for at in key_positions(spec, words)]
    assert " ".join(found) == expected
