"""The commands as rules name them: bits, categories, and commands that are not served (pure).

A set of commands is an `int` with one bit for each command and subcommand. A thousand users with
rules of their own then take little memory, and a check is one lookup and one `&`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from kiwi_engine.acl.absent import ABSENT
from kiwi_engine.commands.registry import COMMANDS, lookup, lookup_subcommand
from kiwi_engine.commands.table import Command

# In the order of ACL CAT.
CATEGORIES: Final = (
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
    "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous",
    "connection", "transaction", "scripting",
)  # fmt: skip


class Named(NamedTuple):
    """What a rule names: `bits` are its own and those of its subcommands."""

    name: str
    bits: int
    has_subcommands: bool
    is_subcommand: bool


def _every() -> Iterator[tuple[str, Command]]:
    """All commands and subcommands by their full names."""
    for name, row in COMMANDS.items():
        yield name, row
        for each in row.subcommands:
            yield f"{name}|{each.name}", each


_FULL_NAMES: Final = tuple(name for name, _ in _every())
# The bit of each command and subcommand, by its full name.
BITS: Final[Mapping[str, int]] = MappingProxyType(
    {name: 1 << place for place, name in enumerate(_FULL_NAMES)}
)
EVERY_BIT: Final = (1 << len(_FULL_NAMES)) - 1
NO_BIT: Final = 0


def _bits_of(name: str, row: Command) -> int:
    return BITS[name] | sum(BITS[f"{name}|{each.name}"] for each in row.subcommands)


def _category_bits() -> dict[str, int]:
    """A container in a category takes all of its subcommands along."""
    bits = dict.fromkeys(CATEGORIES, NO_BIT)
    for name, row in _every():
        for category in row.categories:
            bits[category] |= _bits_of(name, row)
    return bits


CATEGORY_BITS: Final[Mapping[str, int]] = MappingProxyType(_category_bits())


def names_in(category: str) -> list[str]:
    """The full names that ACL CAT lists."""
    return [name for name, row in _every() if category in row.categories]


def names_of(bits: int) -> list[str]:
    """The full names of a set of commands."""
    return [name for name in _FULL_NAMES if BITS[name] & bits]


def find(text: bytes) -> Named | None:
    """The command that a rule calls `get` or `config|get`, in any mixture of cases."""
    first, *rest = text.split(b"|")
    if len(rest) > 1:
        return None
    row = lookup(first)
    if row is None:
        return _find_absent(text)
    if not rest:
        return Named(row.name, _bits_of(row.name, row), bool(row.subcommands), False)
    subcommand = lookup_subcommand(row, rest[0])
    if subcommand is None:
        return None
    name = f"{row.name}|{subcommand.name}"
    return Named(name, BITS[name], False, True)


def _find_absent(text: bytes) -> Named | None:
    """A command without an effect; which subcommands a container would have is not known."""
    name = text.lower().decode("utf-8", "surrogateescape")
    container, separator, _ = name.partition("|")
    if container not in ABSENT:
        return None
    return Named(name, NO_BIT, False, bool(separator))
