"""Rules about commands, keys and channels, applied to selectors (pure).

A rule that cannot be applied raises `RuleError`; selectors are values, so nothing has changed then.
Texts and corner cases are those of Redis 7.2, where rules are C strings: what follows a NUL byte in
a command or a keyword does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from kiwi_engine.acl.commands import CATEGORY_BITS, EVERY_BIT, NO_BIT, Named, find, names_of
from kiwi_engine.acl.selector import READ, READ_WRITE, WRITE, Pattern, Selector
from kiwi_engine.errors import KiwiError

_SPACES: Final = frozenset(b" \t\n\v\f\r\0")
_PERMISSIONS: Final = {b"R": READ, b"W": WRITE, b"RW": READ_WRITE, b"WR": READ_WRITE}

_SYNTAX: Final = "Syntax error"
_UNKNOWN: Final = "Unknown command or category name in ACL"
_AFTER_ALL_KEYS: Final = (
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns"
)
_AFTER_ALL_CHANNELS: Final = (
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels"
)
_ARGUMENT_OF_SUBCOMMAND: Final = "Allowing first-arg of a subcommand is not supported"


class RuleError(KiwiError):
    """Why a rule makes no sense. `is_unknown_name`: it names a command that does not exist."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_unknown_name = reason == _UNKNOWN


def has_spaces(text: bytes) -> bool:
    """Whether `text` could not stand in a line of rules: white space or a NUL byte."""
    return not _SPACES.isdisjoint(text)


def c_string(rule: bytes) -> bytes:
    """What Redis sees of a rule."""
    return rule.partition(b"\0")[0]


def apply_selector_rule(selector: Selector, rule: bytes) -> Selector:
    """`selector` with one more rule about commands, keys or channels."""
    text = c_string(rule)
    keyword = _SELECTOR_KEYWORDS.get(text.lower())
    if keyword is not None:
        return keyword(selector)
    first = text[:1]
    if first in (b"~", b"%"):
        return _with_key_pattern(selector, rule)
    if first == b"&":
        return _with_channel(selector, rule[1:])
    if first not in (b"+", b"-"):
        raise RuleError(_SYNTAX)
    is_allowed = first == b"+"
    if text[1:2] == b"@":
        return _with_category(selector, text[1:].lower(), is_allowed)
    if is_allowed and b"|" in text:
        return _with_part_of_command(selector, text[1:])
    return _with_command(selector, _existing(text[1:]), is_allowed)


def _with_keys(selector: Selector, *, are_all: bool) -> Selector:
    """With all keys, or with none."""
    return replace(selector, all_keys=are_all, keys=())


def _with_channels(selector: Selector, *, are_all: bool) -> Selector:
    return replace(selector, all_channels=are_all, channels=())


def _with_commands(selector: Selector, *, are_all: bool) -> Selector:
    return replace(
        selector,
        commands=EVERY_BIT if are_all else NO_BIT,
        starts_with_all=are_all,
        command_rules=(),
        first_arguments=frozenset(),
    )


_ALL_KEYS: Final = partial(_with_keys, are_all=True)
_ALL_CHANNELS: Final = partial(_with_channels, are_all=True)
_ALL_COMMANDS: Final = partial(_with_commands, are_all=True)
_NO_COMMANDS: Final = partial(_with_commands, are_all=False)
_SELECTOR_KEYWORDS: Final[Mapping[bytes, Callable[[Selector], Selector]]] = MappingProxyType(
    {
        b"allkeys": _ALL_KEYS,
        b"~*": _ALL_KEYS,
        b"resetkeys": partial(_with_keys, are_all=False),
        b"allchannels": _ALL_CHANNELS,
        b"&*": _ALL_CHANNELS,
        b"resetchannels": partial(_with_channels, are_all=False),
        b"allcommands": _ALL_COMMANDS,
        b"+@all": _ALL_COMMANDS,
        b"nocommands": _NO_COMMANDS,
        b"-@all": _NO_COMMANDS,
    }
)


def _with_key_pattern(selector: Selector, rule: bytes) -> Selector:
    if selector.all_keys:
        raise RuleError(_AFTER_ALL_KEYS)
    access, text = (READ_WRITE, rule[1:]) if rule.startswith(b"~") else _permission(rule[1:])
    if has_spaces(text):
        raise RuleError(_SYNTAX)
    for place, pattern in enumerate(selector.keys):
        if pattern.text == text:
            wider = Pattern(text, pattern.access | access)
            return replace(
                selector, keys=(*selector.keys[:place], wider, *selector.keys[place + 1 :])
            )
    return replace(selector, keys=(*selector.keys, Pattern(text, access)))


def _permission(text: bytes) -> tuple[int, bytes]:
    """The access and the pattern of what follows `%`: `R~`, `W~` or both letters, each once.

    Without `~` all of it are letters, and the pattern is empty.
    """
    letters, _, pattern = text.partition(b"~")
    access = _PERMISSIONS.get(letters.upper())
    if access is None:
        raise RuleError(_SYNTAX)
    return access, pattern


def _with_channel(selector: Selector, text: bytes) -> Selector:
    if selector.all_channels:
        raise RuleError(_AFTER_ALL_CHANNELS)
    if has_spaces(text):
        raise RuleError(_SYNTAX)
    if any(pattern.text == text for pattern in selector.channels):
        return selector
    return replace(selector, channels=(*selector.channels, Pattern(text)))


def _with_category(selector: Selector, name: bytes, is_allowed: bool) -> Selector:
    """`name` with its @."""
    bits = CATEGORY_BITS.get(name[1:].decode("utf-8", "surrogateescape"))
    if bits is None:
        raise RuleError(_UNKNOWN)
    changed = _with_rule(_with_bits(selector, bits, is_allowed), name, is_allowed)
    return _without_arguments(changed, names_of(bits)) if changed.first_arguments else changed


def _with_command(selector: Selector, named: Named, is_allowed: bool) -> Selector:
    changed = _with_bits(selector, named.bits, is_allowed)
    changed = _with_rule(changed, named.name.encode("utf-8", "surrogateescape"), is_allowed)
    return _without_arguments(changed, (named.name,))


def _with_part_of_command(selector: Selector, text: bytes) -> Selector:
    """`config|get`, a subcommand, or `select|0`, a first argument."""
    container, _, part = text.rpartition(b"|")
    named = _existing(container)
    if named.is_subcommand:
        raise RuleError(_ARGUMENT_OF_SUBCOMMAND)
    if not part or has_spaces(part):
        # Redis takes a blank, and cannot read its own rules afterwards.
        raise RuleError(_SYNTAX)
    if named.has_subcommands:
        return _with_command(selector, _existing(text), True)
    argument = (named.name, part.lower())
    changed = replace(selector, first_arguments=selector.first_arguments | {argument})
    return _with_rule(changed, text.lower(), True)


def _existing(text: bytes) -> Named:
    named = find(text)
    if named is None:
        raise RuleError(_UNKNOWN)
    return named


def _with_bits(selector: Selector, bits: int, is_allowed: bool) -> Selector:
    commands = selector.commands | bits if is_allowed else selector.commands & ~bits
    return replace(selector, commands=commands)


def _without_arguments(selector: Selector, names: Container[str]) -> Selector:
    """A rule about a whole command ends those about its first arguments."""
    left = frozenset(each for each in selector.first_arguments if each[0] not in names)
    return replace(selector, first_arguments=left)


def _with_rule(selector: Selector, name: bytes, is_allowed: bool) -> Selector:
    """Remember a rule for the text form, instead of older ones about the same or parts of it."""
    part = name + b"|"
    rules = [
        rule
        for rule in selector.command_rules
        if rule[1:] != name and not rule[1:].startswith(part)
    ]
    return replace(selector, command_rules=(*rules, (b"+" if is_allowed else b"-") + name))
