"""Whether a user may call a command, and what to say if not (pure).

Source: the behaviour of `ACLCheckAllUserCommandPerm` in Redis 7.2. A command is allowed if one
selector allows it together with all of its keys and channels. Of the reasons of several selectors
the weightiest is told: a channel before a key, a key before the command; and the last key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from kiwi_engine.acl.commands import BITS
from kiwi_engine.acl.selector import READ, WRITE, Selector
from kiwi_engine.acl.user import User
from kiwi_engine.commands.key_access import access_flags, checked_keys
from kiwi_engine.commands.resolve import Resolved

# Commands that are allowed to everybody, before the login even.
_ALWAYS: Final = "no_auth"


class Reason(IntEnum):
    """Why something was denied, in the order of weight."""

    COMMAND = 1
    KEY = 2
    AUTH = 3
    CHANNEL = 4

    @property
    def word(self) -> str:
        """As ACL LOG calls it."""
        return self.name.lower()


_AT_EXEC: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.COMMAND: "no permission to execute the command or subcommand",
        Reason.KEY: "no permission to touch the specified keys",
        Reason.CHANNEL: "no permission to access one of the channels used as arguments",
    }
)


class Denial(NamedTuple):
    """`subject` is the command's full name, the key or the channel, whichever was denied."""

    user: str
    command: str
    reason: Reason
    subject: bytes

    @property
    def text(self) -> str:
        """The error of the command, without the word that it begins with."""
        if self.reason is Reason.COMMAND:
            return f"User {self.user} has no permissions to run the '{self.command}' command"
        return f"No permissions to access a {self.reason.word}"

    @property
    def error(self) -> str:
        """The error of a client's command, or of queueing it."""
        return f"NOPERM {self.text}"

    @property
    def error_at_exec(self) -> str:
        """The error of a queued command that was allowed when it was queued."""
        return (
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
            "EXEC call. This command is no longer allowed for the following reason: "
            f"{_AT_EXEC[self.reason]}"
        )

    @property
    def error_in_script(self) -> str:
        return f"ERR ACL failure in script: {self.text}"

    @property
    def explanation(self) -> str:
        """What ACL DRYRUN says: here the key or the channel is told."""
        if self.reason is Reason.COMMAND:
            return self.text
        shown = self.subject.decode("utf-8", "surrogateescape")
        return f"User {self.user} has no permissions to access the '{shown}' {self.reason.word}"


class _Channels(NamedTuple):
    """The channels of a command: from word 1 on, so many of them, or all the rest if None."""

    how_many: int | None
    are_patterns: bool


_WRITES: Final = frozenset(("insert", "delete", "update"))

# To leave a channel is always allowed.
_CHANNELS: Final[Mapping[str, _Channels]] = MappingProxyType(
    {
        "publish": _Channels(1, False),
        "spublish": _Channels(1, False),
        "subscribe": _Channels(None, False),
        "ssubscribe": _Channels(None, False),
        "psubscribe": _Channels(None, True),
    }
)


def denial(user: User, words: Sequence[bytes], resolved: Resolved) -> Denial | None:
    """Why `user` may not call the command of these words, whose arity is right; None if it may."""
    name = resolved.name
    is_for_all = _ALWAYS in resolved.row.flags
    bit = BITS[name]
    keys: list[tuple[int, int]] | None = None
    found = (Reason.COMMAND, 0)
    for selector in user.selectors:
        if not is_for_all and not selector.allows_command(name, bit, words):
            continue
        refused = None
        if not selector.all_keys:
            # Found once, however many selectors there are.
            keys = _keys(resolved, words) if keys is None else keys
            refused = _refused_key(selector, keys, words)
        refused = refused or _refused_channel(selector, name, words)
        if refused is None:
            return None
        found = max(found, refused)
    reason, place = found
    subject = name.encode() if reason is Reason.COMMAND else words[place]
    return Denial(user.name, name, reason, subject)


def may_read_any_key(user: User, words: Sequence[bytes], resolved: Resolved) -> bool:
    """Whether one selector allows the command of these words and reading all keys there are.

    For commands that make names of keys out of values, as SORT does with BY and GET.
    """
    return any(
        selector.allows_any_key(READ) and denial(_only(user, selector), words, resolved) is None
        for selector in user.selectors
    )


def _only(user: User, selector: Selector) -> User:
    return User(user.name, (selector,))


def _keys(resolved: Resolved, words: Sequence[bytes]) -> list[tuple[int, int]]:
    """The places of the keys among the words, and what is done to each."""
    return [
        (place, _access(access_flags(spec, words)))
        for place, spec in checked_keys(resolved.row, words)
    ]


@cache
def _access(flags: tuple[str, ...]) -> int:
    """What a command with these words of Redis does to a key."""
    reads = READ if "access" in flags else 0
    return reads if _WRITES.isdisjoint(flags) else reads | WRITE


def _refused_key(
    selector: Selector, keys: Sequence[tuple[int, int]], words: Sequence[bytes]
) -> tuple[Reason, int] | None:
    for place, access in keys:
        if not selector.allows_key(words[place], access):
            return Reason.KEY, place
    return None


def _refused_channel(
    selector: Selector, name: str, words: Sequence[bytes]
) -> tuple[Reason, int] | None:
    channels = None if selector.all_channels else _CHANNELS.get(name)
    if channels is None:
        return None
    stop = len(words) if channels.how_many is None else 1 + channels.how_many
    for place in range(1, stop):
        if not selector.allows_channel(words[place], channels.are_patterns):
            return Reason.CHANNEL, place
    return None
