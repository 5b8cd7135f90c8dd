"""Pages made from the code are up to date (`python scripts/make_documents.py` makes them)."""

from pathlib import Path

import pytest

from kiwi_engine.commands.reference import compatibility_table, replace_table
from kiwi_engine.commands.registry import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_table_of_commands_is_up_to_date() -> None:
    page = PAGE.read_text()
    assert replace_table(page, compatibility_table()) == page


def test_the_table_has_every_command() -> None:
    table = compatibility_table()
    for name, row in COMMANDS.items():
        if row.subcommands:
            for subcommand in row.subcommands:
                assert f"| `{name.upper()} {subcommand.name.upper()}` |" in table
        else:
            assert f"| `{name.upper()}` |" in table


def test_a_page_without_markers_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="markers"):
        replace_table("# Commands\n", "table")
