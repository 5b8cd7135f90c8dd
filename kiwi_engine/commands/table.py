"""The shape of a command's table row (pure).

A family module ends in `TABLE`, a tuple of rows; `commands.registry` merges the families. Rows of
the connection commands, which the network runtime answers itself, carry `where="network"` and no
handler here: `server.network.local` binds theirs by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kiwi_engine.commands.context import Context

# (context, whole command with its name as element 0) -> encoded reply.
# Raises `ReplyError` for an error reply; a handler that raises has changed nothing.
Handler = Callable[[Context, list[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class KeySpec:
    """Where keys stand in a command, as Redis' key specifications tell it.

    They begin at word `first`, or, if there is a `keyword`, behind the word that equals it, which
    is looked for from word `first` on (backwards from the end if that is negative). From there
    every `step`-th word is a key, up to word `last`: absolute, or behind a keyword counted from the
    beginning; negative: from the end. With a `limit` of n > 1 only the first n-th part of them are
    keys. `counted`: the word where they should begin tells how many follow. `unknown`: only the
    command itself can tell; `finder`, where set, is how it does so, which clients do not learn.
    `flags` are Redis' words, e.g. ("RW", "update").
    """

    first: int = 0
    last: int = 0
    step: int = 0
    flags: tuple[str, ...] = ()
    keyword: str = ""
    limit: int = 0
    counted: bool = False
    unknown: bool = False
    finder: Callable[[Sequence[bytes]], range] | None = None


# Those that may change several pages of one string.
_UNDOABLE_STRINGS = frozenset(("append", "setrange"))
# Commands whose writes are those of a script.
_RUN_SCRIPTS = frozenset(("eval", "evalsha", "fcall"))
# Storage commands that the network runtime has to look at.
_ASKS_NETWORK = frozenset(("debug", "watch", "unwatch"))


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
    def is_plain(self) -> bool:
        """Whether it needs nothing but the storage runtime, and never waits for other clients."""
        return (
            self.where == "storage"
            and self.name not in _ASKS_NETWORK
            and "blocking" not in self.flags
            and all(each.where == "storage" for each in self.subcommands)
        )

    @property
    def is_write(self) -> bool:
        """Whether it may change something; a container may if one of its subcommands may."""
        return (
            "write" in self.flags
            or self.runs_script
            or any(row.is_write for row in self.subcommands)
        )

    @property
    def runs_script(self) -> bool:
        """Whether it changes only what a script does, each of whose commands is judged itself."""
        return self.name in _RUN_SCRIPTS

    @property
    def may_undo(self) -> bool:
        """Whether it could fail with changes made: that is worth a journal (`Store.keep_undo`).

        Most string commands make their only change last; they are the ones that must be fast.
        """
        return self.is_write and (self.group != "string" or self.name in _UNDOABLE_STRINGS)


def arity_accepts(arity: int, count: int) -> bool:
    """Whether a command of `count` words (its name included) fits `arity`."""
    return count == arity if arity >= 0 else count >= -arity
