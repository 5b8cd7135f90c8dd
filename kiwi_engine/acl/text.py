"""Users as text: the ACL file, and `user` lines of a configuration file (pure).

An ACL file has a line for each user, as ACL LIST shows it. Comments are no part of it, because
ACL SAVE would lose them; empty lines are. Texts are those of Redis 7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kiwi_engine.acl.rules import UnmatchedParenthesisError, apply_rule, merge_selectors
from kiwi_engine.acl.selector_rules import RuleError, has_spaces
from kiwi_engine.acl.user import User, new_user
from kiwi_engine.errors import KiwiError

_NOTHING_CHANGED: Final = (
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
)
_BLANKS: Final = b" \t\r\n"


class AclFileError(KiwiError):
    """An ACL file cannot be used; the message names every line that is wrong."""


def file_text(users: Iterable[User]) -> bytes:
    """The content of an ACL file."""
    return b"".join(user.line() + b"\n" for user in users)


def users_of_file(text: bytes, path: str, all_channels: bool) -> list[User]:
    """The users of an ACL file; `AclFileError` if a line is wrong.

    `path` is what errors call the file, `all_channels` what new selectors allow.
    """
    users: dict[str, User] = {}
    problems: list[str] = []
    lines = text.partition(b"\0")[0].split(b"\n")
    for number, line in enumerate(lines, start=1):
        words = line.strip(_BLANKS).split(b" ")
        if words != [b""]:
            _read_line(words, f"{path}:{number}", number, all_channels, users, problems)
    if problems:
        raise AclFileError("".join(problems) + _NOTHING_CHANGED)
    return list(users.values())


def _read_line(
    words: list[bytes],
    place: str,
    number: int,
    all_channels: bool,
    users: dict[str, User],
    problems: list[str],
) -> None:
    """Add the user of a line to `users`, or what is wrong to `problems`."""
    if words[0] != b"user" or len(words) < 2:
        problems.append(f"{place} should start with user keyword followed by the username. ")
        return
    shown = _shown(words[1])
    name = _name(words[1])
    if name is None:
        problems.append(f"'{place}: username '{shown}' contains invalid characters. ")
        return
    if name in users:
        problems.append(f"WARNING: Duplicate user '{shown}' found on line {number}. ")
        return
    try:
        rules = merge_selectors(words[2:])
    except UnmatchedParenthesisError:
        problems.append(f"{place}: Unmatched parenthesis in selector definition.")
        return
    stripped = [rule.strip(_BLANKS[1:]) for rule in rules]
    users[name] = _with_rules(new_user(name, all_channels), stripped, place, all_channels, problems)


def _with_rules(
    user: User, rules: Sequence[bytes], place: str, all_channels: bool, problems: list[str]
) -> User:
    """Of rules that are wrong, unknown commands are all told, of the others the first."""
    is_wrong = False
    for rule in rules:
        try:
            user = apply_rule(user, rule, all_channels)
        except RuleError as error:
            if error.is_unknown_name:
                problems.append(
                    f"{place}: Error in applying operation '{_shown(rule)}': {error.reason}. "
                )
            elif not is_wrong:
                problems.append(f"{place}: {error.reason}. ")
                is_wrong = True
    return user


def users_of_lines(
    lines: Iterable[tuple[str, Sequence[bytes]]], all_channels: bool, problems: list[str]
) -> list[User]:
    """The users of `user` lines in configuration files; what is wrong is added to `problems`.

    A line is its place and its words behind `user`: the name, then rules.
    """
    users: dict[str, User] = {}
    for place, words in lines:
        name = _name(words[0]) if words else None
        if name is None:
            problems.append(f"{place}: user: a name without spaces is expected")
        elif name in users:
            problems.append(f"{place}: user '{name}' was defined before")
        else:
            users[name] = _user_of_line(name, words[1:], place, all_channels, problems)
    return list(users.values())


def _user_of_line(
    name: str, words: Sequence[bytes], place: str, all_channels: bool, problems: list[str]
) -> User:
    user = new_user(name, all_channels)
    try:
        for rule in merge_selectors(words):
            user = apply_rule(user, rule, all_channels)
    except UnmatchedParenthesisError as error:
        problems.append(f"{place}: user {name}: '{_shown(error.word)}' is not closed")
    except RuleError as error:
        # The rule is not shown: it may be a password.
        problems.append(f"{place}: user {name}: {error.reason}")
    return user


def _name(word: bytes) -> str | None:
    """`word` as the name of a user, if it can be one."""
    try:
        return None if has_spaces(word) else word.decode()
    except UnicodeDecodeError:
        return None


def _shown(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
