"""From the words of a request to its table row, or to the error that Redis gives (pure)."""

from __future__ import annotations

from typing import NamedTuple

from kiwi_engine.commands.errors import unknown_command, unknown_subcommand, wrong_arity
from kiwi_engine.commands.registry import lookup, lookup_subcommand
from kiwi_engine.commands.table import Command, arity_accepts


class Resolved(NamedTuple):
    """A row and its full name: `get`, `client|list`."""

    row: Command
    name: str


def find_row(words: list[bytes]) -> Command | None:
    """The row of the command or subcommand that `words` call, or None if there is none."""
    row = lookup(words[0])
    if row is None or not row.subcommands or len(words) == 1:
        return row
    return lookup_subcommand(row, words[1])


def find(words: list[bytes]) -> Resolved | None:
    """The command or subcommand that `words` call, or None if there is none."""
    row = lookup(words[0])
    if row is None or not row.subcommands or len(words) == 1:
        return None if row is None else Resolved(row, row.name)
    subcommand = lookup_subcommand(row, words[1])
    return None if subcommand is None else Resolved(subcommand, f"{row.name}|{subcommand.name}")


def resolve(words: list[bytes]) -> Resolved:
    """The command or subcommand that `words` call; `ReplyError` if there is none."""
    found = find(words)
    if found is None:
        row = lookup(words[0])
        raise unknown_command(words) if row is None else unknown_subcommand(row.name, words[1])
    return found


def check_arity(resolved: Resolved, count: int) -> None:
    """Raise the `ReplyError` for a request of `count` words that does not fit."""
    if not arity_accepts(resolved.row.arity, count):
        raise wrong_arity(resolved.name)
