"""The lines of MONITOR: quoting, passwords, and what is not shown."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.monitored import is_shown, line


def shown(*words: bytes) -> bytes:
    encoded = line(1_700_000_000_000_012, 3, "127.0.0.1:5555", words)
    start, end = b"+1700000000.000012 [3 127.0.0.1:5555] ", b"\r\n"
    assert encoded.startswith(start)
    assert encoded.endswith(end)
    return encoded[len(start) : -len(end)]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        (b"plain", b'"plain"'),
        (b"", b'""'),
        (b'a"b\\c', rb'"a\"b\\c"'),
        (b"\n\r\t\a\b", rb'"\n\r\t\a\b"'),
        (b"\0\x1f\x7f\xff\xc3\xa9", rb'"\x00\x1f\x7f\xff\xc3\xa9"'),
        (b"~ !", b'"~ !"'),
    ],
)
def test_quoting(word: bytes, quoted: bytes) -> None:
    assert shown(b"ECHO", word) == b'"ECHO" ' + quoted


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (b"auth secret", b"auth X"),
        (b"AUTH me secret", b"AUTH X X"),
        (b"hello 3", b"hello 3"),
        (b"hello 3 auth me secret", b"hello 3 auth X X"),
        (b"HELLO 3 SETNAME auth AUTH me secret", b"HELLO 3 SETNAME auth AUTH X X"),
        (b"hello 3 auth me secret setname n", b"hello 3 auth X X setname n"),
        (b"hello 3 auth secret", b"hello 3 auth secret"),
        (b"get auth", b"get auth"),
    ],
)
def test_passwords(command: bytes, expected: bytes) -> None:
    words = [b"(redacted)" if word == b"X" else word for word in expected.split()]
    assert shown(*command.split()) == b" ".join(b'"%b"' % word for word in words)


@pytest.mark.parametrize(
    ("command", "is_visible"),
    [
        (b"get k", True),
        (b"client id", True),
        (b"client list", False),
        (b"CONFIG SET requirepass secret", False),
        (b"acl setuser me", False),
        (b"acl whoami", True),
        (b"debug sleep 0", False),
        (b"monitor", False),
        (b"exec", True),
    ],
)
def test_commands_of_administrators_are_not_shown(command: bytes, is_visible: bool) -> None:
    assert is_shown(command.split()) == is_visible
