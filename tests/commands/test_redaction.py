"""Which words of commands are kept from those who look on."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.redaction import redacted


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("AUTH secret", "AUTH X"),
        ("auth user secret", "auth X X"),
        ("hello 3 AUTH user secret setname me", "hello 3 AUTH X X setname me"),
        ("hello 3 setname auth auth user secret", "hello 3 setname auth auth X X"),
        ("hello 3 auth user", "hello 3 auth user"),
        ("ACL SETUSER app on >secret", "ACL SETUSER X X X"),
        ("acl getuser app", "acl getuser app"),
        ("acl", "acl"),
        ("config set hz 1 RequirePass secret", "config set hz 1 RequirePass X"),
        ("config set tls-key-file-pass secret hz 1", "config set tls-key-file-pass X hz 1"),
        ("config set requirepass", "config set requirepass"),
        ("config get requirepass", "config get requirepass"),
        ("set auth secret", "set auth secret"),
    ],
)
def test_what_is_shown(call: str, shown: str) -> None:
    expected = [b"(redacted)" if word == "X" else word.encode() for word in shown.split()]
    assert redacted([word.encode() for word in call.split()]) == expected


def test_what_holds_no_secret_is_not_copied() -> None:
    words = [b"get", b"auth"]
    assert redacted(words) is words
