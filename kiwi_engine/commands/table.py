"""The shape of a command's table row (pure).

A family module ends in `TABLE`, a tuple of rows; `commands.registry` merges the families. Rows of
the connection commands, which the network runtime answers itself, carry `where="network"` and no
handler here: `server.local` binds theirs by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from kiwi_engine.commands.context import Context

# (context, whole command with its name as element 0) -> encoded reply.
# Raises `ReplyError` for an error reply; a handler that raises has changed nothing.
Handler = Callable[[Context, list[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class KeySpec:
    """Where keys stand in a command: positions as in `COMMAND INFO`; first=0 means no keys.

    `flags` are those of Redis' key specifications, e.g. ("RW", "access", "update").
    """

    first: int = 0
    last: int = 0
    step: int = 0
    flags: tuple[str, ...] = ()


NO_KEYS = KeySpec()


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or one subcommand of a container such as `CLIENT`.

    `arity` counts the name; negative means "at least". `flags` are Redis' words ("write",
    "readonly", "fast", "denyoom", "admin", ...). `syntax` is the argument synopsis, from which
    `COMMAND DOCS` arguments are derived. A subcommand's `name` is the second word alone.
    """

    name: str
    arity: int
    flags: frozenset[str]
    summary: str
    since: str
    group: str
    syntax: str = ""
    complexity: str = "O(1)"
    keys: tuple[KeySpec, ...] = ()
    categories: frozenset[str] = frozenset()
    tips: tuple[str, ...] = ()
    handler: Handler | None = None
    where: Literal["storage", "network"] = "storage"
    subcommands: tuple[Command, ...] = field(default=())

    @property
    def is_write(self) -> bool:
        return "write" in self.flags


def arity_accepts(arity: int, count: int) -> bool:
    """Whether a command of `count` words (its name included) fits `arity`."""
    return count == arity if arity >= 0 else count >= -arity
