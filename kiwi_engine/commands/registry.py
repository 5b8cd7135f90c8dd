"""All commands by name (pure).

Merges the tables of the command families. `lookup` is on the path of every command, so the
spellings that clients really use are remembered; the memory for them is bounded, because the case
of a name is the client's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kiwi_engine.commands import (
    connection_table,
    counters,
    databases,
    debug,
    expire,
    keys,
    lcs,
    object_inspection,
    scan,
    strings,
    strings_many,
    strings_ranges,
)
from kiwi_engine.commands.table import Command

SPELLINGS_MAX: Final = 4096

_TABLES: Final = (
    strings.TABLE,
    strings_many.TABLE,
    strings_ranges.TABLE,
    counters.TABLE,
    lcs.TABLE,
    keys.TABLE,
    expire.TABLE,
    scan.TABLE,
    object_inspection.TABLE,
    databases.TABLE,
    debug.TABLE,
    connection_table.TABLE,
)


def _merge(tables: tuple[tuple[Command, ...], ...]) -> dict[str, Command]:
    """Every row by its lower-case name; two rows of one name are a bug."""
    merged: dict[str, Command] = {}
    for row in (row for table in tables for row in table):
        assert row.name not in merged, f"command {row.name} has two rows"
        merged[row.name] = row
    return merged


# Every command by its lower-case name, in the order of the families.
COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(_merge(_TABLES))

_by_lower_name: Final = {name.encode(): row for name, row in COMMANDS.items()}
_by_spelling: Final = dict(_by_lower_name)


# The command with exactly this spelling, or None where `lookup` has to be asked.
spelled: Final = _by_spelling.get


def lookup(name: bytes) -> Command | None:
    """The command called `name` in any mixture of cases, or None."""
    found = _by_spelling.get(name)
    if found is not None:
        return found
    found = _by_lower_name.get(name.lower())
    if found is not None and len(_by_spelling) < SPELLINGS_MAX:
        _by_spelling[name] = found
    return found


def lookup_subcommand(container: Command, word: bytes) -> Command | None:
    """The subcommand of `container` called `word` in any mixture of cases, or None."""
    name = word.lower()
    for row in container.subcommands:
        if row.name.encode() == name:
            return row
    return None
