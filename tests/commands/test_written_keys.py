"""What a command is about to write, from its row."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.registry import lookup
from kiwi_engine.commands.written_keys import is_write, written_keys
from kiwi_engine.errors import ReplyError
from tests.commands.helpers import Session


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


def test_a_container_writes_if_a_subcommand_does() -> None:
    assert is_write([b"XGROUP", b"CREATE", b"k", b"g", b"$"])
    assert not is_write([b"XINFO", b"STREAM", b"k"])
    assert not is_write([b"OBJECT", b"ENCODING", b"k"])


def test_a_writing_subcommand_is_refused_while_writes_are() -> None:
    session = Session()
    session.run("xadd k 1-1 f v")
    session.executor.refusal = ReplyError("MISCONF no")
    assert session.run("xgroup create k g 0") == b"-MISCONF no\r\n"
    assert session.run("xinfo groups k") == b"*0\r\n"
