"""Inline commands: Redis' quoting rules."""

from __future__ import annotations

import pytest

from kiwi_engine.resp.inline import UnbalancedQuotesError, split_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b"  \t ", []),
        (b"PING", [b"PING"]),
        (b"  set  a\tb ", [b"set", b"a", b"b"]),
        (b'set a "b c"', [b"set", b"a", b"b c"]),
        (b'set a ""', [b"set", b"a", b""]),
        (b"set a ''", [b"set", b"a", b""]),
        (rb'"\n\r\t\b\a\\\"\q"', [b'\n\r\t\b\a\\"q']),
        (rb'"\x41\x0a\xZZ\x4"', [b"A\nxZZx4"]),
        (rb"'\n\'x'", [b"\\n'x"]),
        (b'ab"cd"', [b"abcd"]),
        (b"ab'c d' e", [b"abc d", b"e"]),
        (b"get a\x00 b", [b"get", b"a"]),
        (b'"a"\x00"', [b"a"]),
        (b"get \x00", [b"get"]),
        (b"a\vb \fc", [b"a\vb", b"c"]),
        (b"a\x1cb \x85 \xa0", [b"a\x1cb", b"\x85", b"\xa0"]),
    ],
)
def test_words_of_a_line(line: bytes, words: list[bytes]) -> None:
    assert split_words(line) == words


@pytest.mark.parametrize(
    "line", [b'"', b"'", b'"a', b"'a", b'"a"b', b"'a'b", rb'"\"', rb"'\'", b'a"']
)
def test_quotes_that_do_not_balance(line: bytes) -> None:
    with pytest.raises(UnbalancedQuotesError):
        split_words(line)
