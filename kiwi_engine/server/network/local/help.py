"""The reply of the HELP subcommands, made from the table rows (pure)."""

from __future__ import annotations

from kiwi_engine.commands import containers
from kiwi_engine.commands.registry import COMMANDS


def help_reply(container: str) -> bytes:
    """One line for each subcommand and one, indented, for what it does."""
    lines: list[str] = []
    for row in COMMANDS[container].subcommands:
        if row.name != "help":
            lines += (f"{row.name.upper()} {row.syntax}".rstrip(), f"    {row.summary}")
    return containers.help_reply(container, lines)
