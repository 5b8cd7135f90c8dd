"""A selector: one set of permissions, as the rules of a user build it (pure).

A user has a root selector and may have more; a command is allowed if one of them allows all of it.
Selectors are values: a rule makes another one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kiwi_engine.acl.commands import EVERY_BIT, NO_BIT
from kiwi_engine.keyspace.glob import Matcher, compile_glob

# What a command does to a key, and what a pattern allows. No `IntFlag`: its `&` would double the
# time of a check.
READ: Final = 1
WRITE: Final = 2
READ_WRITE: Final = READ | WRITE

_PREFIXES: Final = {READ_WRITE: b"~", READ: b"%R~", WRITE: b"%W~"}


class Pattern:
    """A glob that is compiled when it is needed first; most users of a long list never come.

    The compiled globs are not left to the cache of `compile_glob`: a few users would wipe it.
    """

    __slots__ = ("_matches", "access", "text")

    def __init__(self, text: bytes, access: int = READ_WRITE) -> None:
        self.text = text
        self.access = access
        self._matches: Matcher | None = None

    def matches(self, name: bytes) -> bool:
        matches = self._matches
        if matches is None:
            matches = self._matches = compile_glob(self.text)
        return matches(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return (self.text, self.access) == (other.text, other.access)

    def __hash__(self) -> int:
        return hash((self.text, self.access))

    def __repr__(self) -> str:
        return f"Pattern({self.text!r}, {self.access!r})"


@dataclass(frozen=True, slots=True)
class Selector:
    """`commands` are bits, see `acl.commands`.

    `starts_with_all` says that the command rules begin with `+@all`, `command_rules` are those
    after it, in the order in which they count. `first_arguments` are those with which commands may
    be called that are not allowed otherwise (`+select|0`), each with the command's name.
    """

    commands: int = NO_BIT
    starts_with_all: bool = False
    command_rules: tuple[bytes, ...] = ()
    first_arguments: frozenset[tuple[str, bytes]] = frozenset()
    all_keys: bool = False
    keys: tuple[Pattern, ...] = ()
    all_channels: bool = False
    channels: tuple[Pattern, ...] = ()

    # ---- questions

    @property
    def allows_everything(self) -> bool:
        return self.commands == EVERY_BIT and self.all_keys and self.all_channels

    def allows_command(self, name: str, bit: int, words: Sequence[bytes]) -> bool:
        """Whether the command of this full name and bit may be called with these words."""
        if self.commands & bit:
            return True
        if not self.first_arguments or len(words) == 1:
            return False
        return (name, words[1].lower()) in self.first_arguments

    def allows_key(self, key: bytes, access: int) -> bool:
        if self.all_keys:
            return True
        # A loop and no `any`: it is asked for every key of every command, and takes half the time.
        for pattern in self.keys:
            if pattern.access & access == access and pattern.matches(key):
                return True
        return False

    def allows_any_key(self, access: int) -> bool:
        """Whether it may do this to every key there is."""
        return self.all_keys or any(
            pattern.access & access == access and pattern.text == b"*" for pattern in self.keys
        )

    def allows_channel(self, channel: bytes, is_pattern: bool) -> bool:
        """A pattern to subscribe to has to be one of the rules', word for word."""
        if self.all_channels:
            return True
        if is_pattern:
            return any(pattern.text == channel for pattern in self.channels)
        return any(pattern.matches(channel) for pattern in self.channels)

    # ---- the text form

    def describe(self) -> bytes:
        """The rules that make this selector, in the canonical form of ACL LIST."""
        return b" ".join(self._rules())

    def _rules(self) -> Iterator[bytes]:
        yield from self._key_rules()
        if self.all_channels:
            yield b"&*"
        else:
            yield b"resetchannels"
            yield from self._channel_rules()
        yield self.describe_commands()

    def describe_commands(self) -> bytes:
        start = b"+@all" if self.starts_with_all else b"-@all"
        return b" ".join((start, *self.command_rules))

    def describe_keys(self) -> bytes:
        return b" ".join(self._key_rules())

    def describe_channels(self) -> bytes:
        return b"&*" if self.all_channels else b" ".join(self._channel_rules())

    def _key_rules(self) -> list[bytes]:
        if self.all_keys:
            return [b"~*"]
        return [_PREFIXES[pattern.access] + pattern.text for pattern in self.keys]

    def _channel_rules(self) -> list[bytes]:
        return [b"&" + pattern.text for pattern in self.channels]
