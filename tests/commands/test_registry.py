"""Looking up commands, and what every row must say."""

from __future__ import annotations

from typing import Final

import pytest

from kiwi_engine.commands import registry
from kiwi_engine.commands.registry import COMMANDS, lookup, lookup_subcommand
from kiwi_engine.commands.rows import implied_categories
from kiwi_engine.commands.table import Command

# The words of COMMAND DOCS.
GROUPS: Final = {
    "string", "generic", "server", "hash", "list", "set", "sorted-set", "stream", "bitmap",
    "hyperloglog", "geo", "scripting", "transactions",
}  # fmt: skip
STORAGE_ROWS = [
    row
    for command in COMMANDS.values()
    if command.where == "storage"
    for row in (command, *command.subcommands)
    if row.where == "storage"
]
_SUBCOMMANDS: Final = {id(row) for command in COMMANDS.values() for row in command.subcommands}


@pytest.mark.parametrize("name", [b"get", b"GET", b"gEt", b"Get"])
def test_names_are_found_in_any_case(name: bytes) -> None:
    assert lookup(name) is COMMANDS["get"]
    assert lookup(name) is COMMANDS["get"], "also when the spelling is known"


@pytest.mark.parametrize("name", [b"", b"nosuch", b"get ", b"g\xc3\xa9t", b"\xff", b"GET\0"])
def test_unknown_names_are_not_found(name: bytes) -> None:
    assert lookup(name) is None


def test_the_memory_for_spellings_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SPELLINGS_MAX", 0)
    before = len(registry._by_spelling)
    assert lookup(b"inCRbyFLoaT") is COMMANDS["incrbyfloat"]
    assert len(registry._by_spelling) == before


def test_subcommands_are_found_in_any_case() -> None:
    container = COMMANDS["object"]
    found = lookup_subcommand(container, b"ENCoding")
    assert found is not None and found.name == "encoding"
    assert lookup_subcommand(container, b"nosuch") is None
    assert lookup_subcommand(COMMANDS["get"], b"encoding") is None


def test_two_rows_of_one_name_are_a_bug() -> None:
    with pytest.raises(AssertionError, match="two rows"):
        registry._merge(((COMMANDS["get"],), (COMMANDS["get"],)))


@pytest.mark.parametrize("row", STORAGE_ROWS, ids=lambda row: row.name)
def test_rows_are_complete(row: Command) -> None:
    assert row.handler is not None
    assert row.name == row.name.lower()
    assert row.summary.endswith(".")
    assert row.since.count(".") == 2
    assert row.group in GROUPS
    assert row.complexity
    implied = implied_categories(row.flags)
    if "scripting" in row.categories:
        implied -= {"read", "write"}
    assert implied <= row.categories
    assert not {"write", "readonly"} <= row.flags
    assert row.arity != 0
    # A row whose arity allows arguments says which.
    words = 2 if id(row) in _SUBCOMMANDS else 1
    assert bool(row.syntax or row.subcommands) == (row.arity != words)


def test_categories_follow_from_flags() -> None:
    assert implied_categories({"write", "fast"}) == {"write", "fast"}
    assert implied_categories({"admin"}) == {"admin", "dangerous", "slow"}
    assert implied_categories({"readonly", "denyoom"}) == {"read", "slow"}
