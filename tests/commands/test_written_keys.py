"""What a command is about to write, from its row."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.registry import lookup
from kiwi_engine.commands.written_keys import is_write, written_keys


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (b"SET k v", [b"k"]),
        (b"mset a 1 b 2", [b"a", b"b"]),
        (b"del a b c", [b"a", b"b", b"c"]),
        (b"RENAME a b", [b"a", b"b"]),
        (b"copy a b", [b"b"]),
        (b"incrby k 5", [b"k"]),
        (b"lmove a b left left", [b"a", b"b"]),
        (b"lmpop 2 a b left", [b"a", b"b"]),
        (b"sort a get * STORE b", [b"b"]),
        (b"sort a", []),
        (b"flushall", []),
        (b"get k", []),
        (b"mget a b", []),
    ],
)
def test_written_keys(line: bytes, keys: list[bytes]) -> None:
    words = line.split()
    command = lookup(words[0])
    assert command is not None
    assert written_keys(command, words) == keys


@pytest.mark.parametrize(
    ("line", "writes"),
    [(b"SeT k v", True), (b"flushdb", True), (b"get k", False), (b"nonsense", False)],
)
def test_is_write(line: bytes, writes: bool) -> None:
    assert is_write(line.split()) == writes
