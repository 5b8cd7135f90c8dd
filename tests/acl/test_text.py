"""ACL files and the `user` lines of configuration files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kiwi_engine.acl.text import AclFileError, file_text, users_of_file, users_of_lines
from kiwi_engine.acl.users import Users
from kiwi_engine.config.load import load_settings, user_lines
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.replace import read_file, replace_file
from kiwi_engine.server.network.initial_users import initial_users

NOTHING = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
UNKNOWN = "users.acl:1: Error in applying operation '%s': Unknown command or category name in ACL. "


def problems_of(text: bytes) -> str:
    with pytest.raises(AclFileError) as caught:
        users_of_file(text, "users.acl", False)
    return str(caught.value).removesuffix(NOTHING)


def test_a_file_is_read_back() -> None:
    users = Users()
    users.put(users.changed(b"a", [b"on", b">x", b"~k*", b"+@all", b"-get", b"(~z", b"+set)"]))
    users.put(users.changed(b"b", [b"nopass", b"&c", b"%R~x"]))
    assert users_of_file(file_text(users), "f", False) == list(users)


def test_lines_may_be_empty_and_end_as_they_like() -> None:
    found = users_of_file(b"\n  user a on  nopass\r\n\t\n user b (~k +get )\t", "f", False)
    assert [user.line() for user in found] == [
        b"user a on nopass sanitize-payload resetchannels -@all",
        b"user b off sanitize-payload resetchannels -@all (~k resetchannels -@all +get)",
    ]
    assert users_of_file(b"", "f", False) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"# comment", "users.acl:1 should start with user keyword followed by the username. "),
        (b"\nuser", "users.acl:2 should start with user keyword followed by the username. "),
        (b"User a", "users.acl:1 should start with user keyword followed by the username. "),
        (b"user a\tb", "'users.acl:1: username 'a\tb' contains invalid characters. "),
        (b"user a\nuser a", "WARNING: Duplicate user 'a' found on line 2. "),
        (b"user a (~k", "users.acl:1: Unmatched parenthesis in selector definition."),
        (b"user a foo bar", "users.acl:1: Syntax error. "),
        (b"user a +x foo -y", f"{UNKNOWN % '+x'}users.acl:1: Syntax error. {UNKNOWN % '-y'}"),
    ],
)
def test_what_is_wrong_with_a_file(text: bytes, problem: str) -> None:
    assert problems_of(text) == problem


def test_lines_of_a_configuration() -> None:
    problems: list[str] = []
    lines = [
        ("f:1", [b"a", b"on", b"(~k", b"+get)"]),
        ("f:2", [b"a"]),
        ("f:3", []),
        ("f:4", [b"b c"]),
        ("f:5", [b"b", b">secret", b"foo"]),
        ("f:6", [b"c", b"(~k"]),
    ]
    assert [user.name for user in users_of_lines(lines, False, problems)] == ["a", "b", "c"]
    assert problems == [
        "f:2: user 'a' was defined before",
        "f:3: user: a name without spaces is expected",
        "f:4: user: a name without spaces is expected",
        "f:5: user b: Syntax error",
        "f:6: user c: '(~k' is not closed",
    ]


def test_a_configuration_with_users(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_text('port 7000\nuser a on ">two words" ~k\nUSER b\n')
    settings = load_settings(str(path), {}, {})
    assert settings.port == 7000
    first, second = initial_users(settings, user_lines(str(path)))
    assert first.accepts(b"two words")
    assert second.name == "b"
    assert initial_users(Settings(), user_lines(None)) == []


def test_users_of_a_file_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_bytes(b"user a on nopass\n")
    settings = msgspec.structs.replace(Settings(), aclfile=str(path), requirepass="x")
    first, second = initial_users(settings, [])
    assert (first.name, second.name, second.no_password) == ("a", "default", True)
    path.write_bytes(b"user default on >y\n")
    (default,) = initial_users(settings, [])
    assert default.accepts(b"y")


def test_a_server_does_not_start_with_wrong_users(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    settings = msgspec.structs.replace(Settings(), aclfile=str(path))
    with pytest.raises(ConfigError, match=r"aclfile: cannot read .*: No such file or directory"):
        initial_users(settings, [])
    path.write_bytes(b"oops\n")
    with pytest.raises(ConfigError, match=r"users\.acl:1 should start with user"):
        initial_users(settings, [])
    config = tmp_path / "kiwi.conf"
    config.write_text("user a\nuser b +nosuch\nuser c oops\n")
    with pytest.raises(ConfigError, match="not in both"):
        initial_users(settings, user_lines(str(config)))
    with pytest.raises(ConfigError) as caught:
        initial_users(Settings(), user_lines(str(config)))
    assert caught.value.problems == [
        f"{config}:2: user b: Unknown command or category name in ACL",
        f"{config}:3: user c: Syntax error",
    ]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "users.acl")
    fs = PosixFileSystem()
    (tmp_path / "users.acl.new").write_bytes(b"left by a crash")
    for content in (b"first", b"second, and longer", b"3"):
        replace_file(fs, path, content)
        assert read_file(fs, path) == content
    assert fs.list_directory(str(tmp_path)) == ["users.acl"]
