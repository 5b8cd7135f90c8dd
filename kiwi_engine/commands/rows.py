"""How the storage families write their table rows (pure).

`row` derives the ACL categories that Redis derives from flags, so that a row states only what is
its own. Source: `setImplicitACLCategories` in Redis' server.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from kiwi_engine.commands.table import Command, Handler, KeySpec

_CATEGORIES_OF_FLAG: Final[dict[str, tuple[str, ...]]] = {
    "write": ("write",),
    "readonly": ("read",),
    "admin": ("admin", "dangerous"),
    "pubsub": ("pubsub",),
    "fast": ("fast",),
    "blocking": ("blocking",),
}


def implied_categories(flags: Iterable[str]) -> frozenset[str]:
    """The ACL categories that follow from a command's flags."""
    present = frozenset(flags)
    implied = {name for flag in present for name in _CATEGORIES_OF_FLAG.get(flag, ())}
    return frozenset(implied if "fast" in present else implied | {"slow"})


def _categories(flags: frozenset[str], own: frozenset[str]) -> frozenset[str]:
    """All categories of a command; Redis counts no script among what only reads."""
    implied = implied_categories(flags)
    return own | (implied - {"read"} if "scripting" in own else implied)


def keys(flags: str, first: int = 1, last: int | None = None, step: int = 1) -> KeySpec:
    """A key specification; `flags` in Redis' words, separated by blanks."""
    return KeySpec(first, first if last is None else last, step, tuple(flags.split()))


def counted_keys(flags: str, first: int) -> KeySpec:
    """Keys behind their number, which is word `first`."""
    return KeySpec(first, 0, 1, tuple(flags.split()), counted=True)


def keyword_keys(flags: str, keyword: str, start: int, *, last: int = 0, limit: int = 0) -> KeySpec:
    """Keys behind `keyword` (in capitals), which is looked for from word `start` on."""
    return KeySpec(start, last, 1, tuple(flags.split()), keyword=keyword, limit=limit)


def unknown_keys(flags: str, finder: Callable[[Sequence[bytes]], range] | None = None) -> KeySpec:
    """Keys that only the command itself finds: by `finder`, or not before it runs."""
    return KeySpec(flags=tuple(flags.split()), unknown=True, finder=finder)


def row(
    name: str,
    arity: int,
    flags: str,
    handler: Handler | None,
    *,
    summary: str,
    since: str,
    group: str,
    syntax: str = "",
    complexity: str = "O(1)",
    keys: tuple[KeySpec, ...] = (),
    categories: str = "",
    tips: tuple[str, ...] = (),
    subcommands: tuple[Command, ...] = (),
    where: Literal["storage", "network"] = "storage",
) -> Command:
    """A row; `flags` and `categories` are separated by blanks."""
    words = frozenset(flags.split())
    return Command(
        name=name,
        arity=arity,
        flags=words,
        summary=summary,
        since=since,
        group=group,
        syntax=syntax,
        complexity=complexity,
        keys=keys,
        categories=_categories(words, frozenset(categories.split())),
        tips=tips,
        handler=handler,
        where=where,
        subcommands=subcommands,
    )
