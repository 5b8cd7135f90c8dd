"""Commands that only contain subcommands, such as OBJECT (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import unknown_subcommand, wrong_arity
from kiwi_engine.commands.table import Command, Handler, arity_accepts
from kiwi_engine.errors import ReplyError
from kiwi_engine.resp.reply import array, simple


def container_handler(container: str, subcommands: Sequence[Command]) -> Handler:
    """A handler that finds the subcommand, checks its arity and runs it."""
    rows = {row.name.encode(): row for row in subcommands}

    def handler(context: Context, arguments: list[bytes]) -> bytes:
        row = rows.get(arguments[1].lower())
        if row is None:
            raise unknown_subcommand(container, arguments[1])
        if not arity_accepts(row.arity, len(arguments)):
            raise wrong_arity(f"{container}|{row.name}")
        if row.handler is None:
            # The network runtime's, and not called by a client, but by a script.
            raise ReplyError("ERR This Redis command is not allowed from script")
        return row.handler(context, arguments)

    return handler


def help_reply(container: str, lines: Sequence[str]) -> bytes:
    """The reply of a container's HELP: a heading, `lines`, and HELP itself."""
    heading = f"{container.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    return array([simple(line) for line in (heading, *lines, "HELP", "    Prints this help.")])
