"""The commands that combine several sorted sets or sets (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer as parse_integer
from kiwi_engine.commands.arguments import integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import counted_keys, keys, row
from kiwi_engine.commands.sorted_sets.words import elements_reply, parse_score
from kiwi_engine.commands.table import Command, Handler
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import SORTED_SET
from kiwi_engine.keyspace.sorted_sets.algebra import (
    Aggregate,
    Input,
    difference,
    higher,
    intersection,
    lower,
    open_operand,
    total,
    union,
)
from kiwi_engine.keyspace.sorted_sets.opening import replace_sorted_set
from kiwi_engine.keyspace.sorted_sets.packed import by_score
from kiwi_engine.keyspace.sorted_sets.spread import Element
from kiwi_engine.resp.reply import integer

_AGGREGATES: Final[dict[bytes, Aggregate]] = {b"sum": total, b"min": lower, b"max": higher}


class Options(NamedTuple):
    """What may follow the keys; the defaults are those of a command that does not take it."""

    weights: list[float]
    aggregate: Aggregate = total
    with_scores: bool = False
    limit: int = 0


class Operands(NamedTuple):
    """The inputs of a command, None for keys where nothing lives."""

    inputs: list[Input | None]
    options: Options


# What a command makes of its operands.
Combine = Callable[[Operands], Iterator[Element]]
# Reads the words behind the keys, of which there are so many.
ReadOptions = Callable[[list[bytes], int], Options]


def _operands(
    context: Context, arguments: list[bytes], at: int, name: str, read_options: ReadOptions
) -> Operands:
    """The number of keys stands at `at`, the keys behind it."""
    key_count = parse_integer(arguments[at])
    if key_count < 1:
        raise ReplyError(f"ERR at least 1 input key is needed for '{name}' command")
    if key_count > len(arguments) - at - 1:
        syntax_error()
    end = at + 1 + key_count
    found = [open_operand(context.db, key, context.now_ms) for key in arguments[at + 1 : end]]
    options = read_options(arguments[end:], key_count)
    inputs = [
        None if elements is None else Input(elements, weight)
        for elements, weight in zip(found, options.weights, strict=True)
    ]
    return Operands(inputs, options)


def _combining_options(words: list[bytes], key_count: int, *, may_have_scores: bool) -> Options:
    """WEIGHTS, AGGREGATE and WITHSCORES, in any order."""
    options = Options([1.0] * key_count)
    at = 0
    while at < len(words):
        option = words[at].lower()
        if option == b"weights" and len(words) - at > key_count:
            texts = words[at + 1 : at + 1 + key_count]
            weights = [parse_score(text, "ERR weight value is not a float") for text in texts]
            options = options._replace(weights=weights)
            at += key_count
        elif option == b"aggregate" and len(words) - at > 1:
            aggregate = _AGGREGATES.get(words[at + 1].lower())
            if aggregate is None:
                syntax_error()
            options = options._replace(aggregate=aggregate)
            at += 1
        elif option == b"withscores" and may_have_scores:
            options = options._replace(with_scores=True)
        else:
            syntax_error()
        at += 1
    return options


def _reply_options(words: list[bytes], key_count: int) -> Options:
    return _combining_options(words, key_count, may_have_scores=True)


def _store_options(words: list[bytes], key_count: int) -> Options:
    return _combining_options(words, key_count, may_have_scores=False)


def _difference_options(words: list[bytes], key_count: int) -> Options:
    if any(word.lower() != b"withscores" for word in words):
        syntax_error()
    return Options([1.0] * key_count, with_scores=bool(words))


def _no_options(words: list[bytes], key_count: int) -> Options:
    if words:
        syntax_error()
    return Options([1.0] * key_count)


def _limit_options(words: list[bytes], key_count: int) -> Options:
    """LIMIT, the last of which counts."""
    limit = 0
    for at in range(0, len(words), 2):
        if words[at].lower() != b"limit" or at + 1 == len(words):
            syntax_error()
        limit = integer_between(words[at + 1], 0, INTEGER_MAX, "ERR LIMIT can't be negative")
    return Options([1.0] * key_count, limit=limit)


def _union(operands: Operands) -> Iterator[Element]:
    present = [each for each in operands.inputs if each is not None]
    return union(present, operands.options.aggregate)


def _intersection(operands: Operands) -> Iterator[Element]:
    present = [each for each in operands.inputs if each is not None]
    if len(present) < len(operands.inputs):
        return iter(())
    return intersection(present, operands.options.aggregate)


def _difference(operands: Operands) -> Iterator[Element]:
    first, *others = operands.inputs
    if first is None:
        return iter(())
    return difference(first, [each for each in others if each is not None])


def _reply_handler(name: str, combine: Combine, read_options: ReadOptions) -> Handler:
    def handler(context: Context, arguments: list[bytes]) -> bytes:
        operands = _operands(context, arguments, 1, name, read_options)
        elements = sorted(combine(operands), key=by_score)
        return elements_reply(context.resp3, elements, operands.options.with_scores)

    return handler


def _store_handler(name: str, combine: Combine, read_options: ReadOptions) -> Handler:
    def handler(context: Context, arguments: list[bytes]) -> bytes:
        operands = _operands(context, arguments, 2, name, read_options)
        return store_result(context, arguments[1], combine(operands), name.encode())

    return handler


def store_result(
    context: Context, target: bytes, elements: Iterable[Element], event: bytes
) -> bytes:
    """Replace what is at `target` by a sorted set, or remove it if that is empty; its size."""
    context.overwrites(target)
    count = replace_sorted_set(context.db, target, elements)
    if count:
        context.changed(target, SORTED_SET, event)
    else:
        context.delete(target)
    return integer(count)


def zintercard(context: Context, arguments: list[bytes]) -> bytes:
    operands = _operands(context, arguments, 1, "zintercard", _limit_options)
    limit = operands.options.limit or None
    return integer(sum(1 for _ in islice(_intersection(operands), limit)))


_UNION_COMPLEXITY: Final = (
    "O(N)+O(M*log(M)), N being the sum of the sizes of the inputs and M the size of the result"
)
_INTERSECTION_COMPLEXITY: Final = (
    "O(N*K)+O(M*log(M)), N being the size of the smallest of K inputs and M that of the result"
)
_DIFFERENCE_COMPLEXITY: Final = (
    "O(N*K)+O(M*log(M)), N being the size of the first of K inputs and M that of the result"
)
_WEIGHTED: Final = "[WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]"


def _reply_row(
    name: str, handler: Handler, summary: str, complexity: str, options: str, since: str = "6.2.0"
) -> Command:
    return row(
        name, -3, "readonly movablekeys", handler,
        summary=summary, since=since, group="sorted-set", categories="sortedset",
        complexity=complexity, syntax=f"numkeys key [key ...] {options}",
        keys=(counted_keys("RO access", 1),),
    )  # fmt: skip


def _store_row(
    name: str, handler: Handler, summary: str, complexity: str, options: str, since: str
) -> Command:
    return row(
        name, -4, "write denyoom movablekeys", handler,
        summary=summary, since=since, group="sorted-set", categories="sortedset",
        complexity=complexity, syntax=f"destination numkeys key [key ...]{options}",
        keys=(keys("OW update"), counted_keys("RO access", 2)),
    )  # fmt: skip


TABLE: Final = (
    _reply_row(
        "zunion", _reply_handler("zunion", _union, _reply_options),
        "Returns the union of several sorted sets.", _UNION_COMPLEXITY,
        f"{_WEIGHTED} [WITHSCORES]",
    ),
    _reply_row(
        "zinter", _reply_handler("zinter", _intersection, _reply_options),
        "Returns the intersection of several sorted sets.", _INTERSECTION_COMPLEXITY,
        f"{_WEIGHTED} [WITHSCORES]",
    ),
    _reply_row(
        "zdiff", _reply_handler("zdiff", _difference, _difference_options),
        "Returns the members of a sorted set that others do not have.", _DIFFERENCE_COMPLEXITY,
        "[WITHSCORES]",
    ),
    _reply_row(
        "zintercard", zintercard,
        "Counts the members of the intersection of several sorted sets.",
        _INTERSECTION_COMPLEXITY, "[LIMIT limit]", since="7.0.0",
    ),
    _store_row(
        "zunionstore", _store_handler("zunionstore", _union, _store_options),
        "Stores the union of several sorted sets.", _UNION_COMPLEXITY, f" {_WEIGHTED}", "2.0.0",
    ),
    _store_row(
        "zinterstore", _store_handler("zinterstore", _intersection, _store_options),
        "Stores the intersection of several sorted sets.",
        _INTERSECTION_COMPLEXITY, f" {_WEIGHTED}", "2.0.0",
    ),
    _store_row(
        "zdiffstore", _store_handler("zdiffstore", _difference, _no_options),
        "Stores the members of a sorted set that others do not have.",
        _DIFFERENCE_COMPLEXITY, "", "6.2.0",
    ),
)  # fmt: skip
