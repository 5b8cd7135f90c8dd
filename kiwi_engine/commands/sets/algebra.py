"""Intersection, union and difference of sets (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from kiwi_engine.commands.arguments import integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import counted_keys, keys, row
from kiwi_engine.commands.table import Command, Handler
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import SET
from kiwi_engine.keyspace.sets import algebra as set_algebra
from kiwi_engine.keyspace.sets.opening import AnySet, open_set, replace_set
from kiwi_engine.keyspace.spread.roots import INTSET, LISTPACK
from kiwi_engine.resp.reply import ZERO, bulk, integer, set_of

# The sets at the keys of a command (None: no such key) -> the members of the result.
Operation = Callable[[list[AnySet | None]], Iterator[bytes]]


def _intersection(sets: list[AnySet | None]) -> Iterator[bytes]:
    present = [each for each in sets if each is not None]
    return set_algebra.intersection(present) if len(present) == len(sets) else iter(())


def _union(sets: list[AnySet | None]) -> Iterator[bytes]:
    return set_algebra.union([each for each in sets if each is not None])


def _difference(sets: list[AnySet | None]) -> Iterator[bytes]:
    first, *others = sets
    if first is None:
        return iter(())
    return set_algebra.difference(first, [each for each in others if each is not None])


def _open_all(context: Context, names: list[bytes]) -> list[AnySet | None]:
    context.db.prefetch(names)
    return [open_set(context.db, name, context.now_ms) for name in names]


def _reply_handler(operation: Operation) -> Handler:
    def handler(context: Context, arguments: list[bytes]) -> bytes:
        sets = _open_all(context, arguments[1:])
        members = list(operation(sets))
        if all(each is None or each.root.encoding == INTSET for each in sets):
            members.sort(key=int)
        return set_of(context.resp3, list(map(bulk, members)))

    return handler


def _store_handler(operation: Operation, event: bytes) -> Handler:
    def handler(context: Context, arguments: list[bytes]) -> bytes:
        target = arguments[1]
        sets = _open_all(context, arguments[2:])
        members = list(operation(sets))
        if not members:
            context.delete(target)
            return ZERO
        first_encoding = _first_encoding(operation, sets)
        ordered, encoding = set_algebra.stored_result(context.db, members, first_encoding)
        context.overwrites(target)
        replace_set(context.db, target, ordered, encoding)
        context.changed(target, SET, event)
        return integer(len(members))

    return handler


def _first_encoding(operation: Operation, sets: list[AnySet | None]) -> int:
    """With which encoding Redis begins to put a result together."""
    if operation is not _intersection:
        return INTSET
    smallest = min((each for each in sets if each is not None), key=lambda each: each.count)
    return INTSET if smallest.root.encoding == INTSET else LISTPACK


def sintercard(context: Context, arguments: list[bytes]) -> bytes:
    message = "ERR numkeys should be greater than 0"
    key_count = integer_between(arguments[1], 1, INTEGER_MAX, message)
    if key_count > len(arguments) - 2:
        raise ReplyError("ERR Number of keys can't be greater than number of args")
    limit = _parse_limit(arguments[2 + key_count :])
    members = _intersection(_open_all(context, arguments[2 : 2 + key_count]))
    return integer(sum(1 for _ in (islice(members, limit) if limit else members)))


def _parse_limit(words: list[bytes]) -> int:
    limit = 0
    for option, value in zip(words[::2], words[1::2], strict=False):
        if option.lower() != b"limit":
            syntax_error()
        limit = integer_between(value, 0, INTEGER_MAX, "ERR LIMIT can't be negative")
    if len(words) % 2:
        syntax_error()
    return limit


_UNORDERED: Final = ("nondeterministic_output_order",)


def _reply_row(name: str, operation: Operation, complexity: str, summary: str) -> Command:
    return row(
        name, -2, "readonly", _reply_handler(operation),
        summary=summary, since="1.0.0", group="set", categories="set", complexity=complexity,
        syntax="key [key ...]", keys=(keys("RO access", last=-1),), tips=_UNORDERED,
    )  # fmt: skip


def _store_row(
    name: str, operation: Operation, flags: str, complexity: str, summary: str
) -> Command:
    return row(
        name, -3, "write denyoom", _store_handler(operation, name.encode()),
        summary=summary, since="1.0.0", group="set", categories="set", complexity=complexity,
        syntax="destination key [key ...]",
        keys=(keys(flags), keys("RO access", first=2, last=-1)),
    )  # fmt: skip


_SMALLEST: Final = "O(N*M), N being the members of the smallest of M sets; less by walking"
_ALL: Final = "O(N), N being the number of members of all sets"

TABLE: Final = (
    _reply_row("sinter", _intersection, _SMALLEST, "Returns the members that sets have in common."),
    _store_row(
        "sinterstore", _intersection, "RW update", _SMALLEST,
        "Stores the members that sets have in common.",
    ),
    row(
        "sintercard", -3, "readonly movablekeys", sintercard,
        summary="Counts the members that sets have in common.",
        since="7.0.0", group="set", categories="set", complexity=_SMALLEST,
        syntax="numkeys key [key ...] [LIMIT limit]", keys=(counted_keys("RO access", 1),),
    ),
    _reply_row("sunion", _union, _ALL, "Returns the members of several sets, each once."),
    _store_row(
        "sunionstore", _union, "OW update", _ALL, "Stores the members of several sets, each once.",
    ),
    _reply_row("sdiff", _difference, _ALL, "Returns the members of a set that others do not have."),
    _store_row(
        "sdiffstore", _difference, "OW update", _ALL,
        "Stores the members of a set that others do not have.",
    ),
)  # fmt: skip
