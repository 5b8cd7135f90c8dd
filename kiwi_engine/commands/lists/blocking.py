"""The list commands that wait for an element (pure).

Where they may not wait they answer at once, as if their time had passed.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.blocking import WouldBlock
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.lists.ends import pop_up_to
from kiwi_engine.commands.lists.moves import is_head, move, parse_choice
from kiwi_engine.commands.rows import counted_keys, keys, row
from kiwi_engine.commands.timeouts import parse_seconds
from kiwi_engine.keyspace.encoding import LIST_KIND
from kiwi_engine.keyspace.lists.opening import open_list
from kiwi_engine.resp.reply import array, bulk, bulk_array, null_array


def blpop(context: Context, words: list[bytes]) -> bytes:
    return _pop(context, words, at_head=True)


def brpop(context: Context, words: list[bytes]) -> bytes:
    return _pop(context, words, at_head=False)


def _pop(context: Context, words: list[bytes], *, at_head: bool) -> bytes:
    timeout_ms = parse_seconds(words[-1], context.now_ms)
    names = words[1:-1]
    popped = _pop_first(context, names, 1, at_head=at_head)
    if popped is None:
        return _wait(context, words, names, timeout_ms)
    key, (element,) = popped
    return bulk_array((key, element))


def blmpop(context: Context, words: list[bytes]) -> bytes:
    choice = parse_choice(words[2:])
    timeout_ms = parse_seconds(words[1], context.now_ms)
    popped = _pop_first(context, choice.keys, choice.limit, at_head=choice.at_head)
    if popped is None:
        return _wait(context, words, choice.keys, timeout_ms)
    key, elements = popped
    return array((bulk(key), bulk_array(elements)))


def _pop_first(
    context: Context, names: list[bytes], limit: int, *, at_head: bool
) -> tuple[bytes, list[bytes]] | None:
    """Take up to `limit` elements of the first list that there is; its key, and the elements."""
    for key in names:
        found = open_list(context.db, key, context.now_ms)
        if found is not None:
            return key, pop_up_to(context, key, found, limit, at_head=at_head)
    return None


def blmove(context: Context, words: list[bytes]) -> bytes:
    _, source, destination, taken_from, pushed_to, timeout = words
    from_head, to_head = is_head(taken_from), is_head(pushed_to)
    timeout_ms = parse_seconds(timeout, context.now_ms)
    element = move(context, source, destination, from_head=from_head, to_head=to_head)
    return bulk(element) if element is not None else _wait_to_move(context, words, timeout_ms)


def brpoplpush(context: Context, words: list[bytes]) -> bytes:
    _, source, destination, timeout = words
    timeout_ms = parse_seconds(timeout, context.now_ms)
    element = move(context, source, destination, from_head=False, to_head=True)
    return bulk(element) if element is not None else _wait_to_move(context, words, timeout_ms)


def _wait(context: Context, words: list[bytes], names: list[bytes], timeout_ms: int) -> bytes:
    nothing = null_array(context.resp3)
    if context.may_block:
        raise WouldBlock(words, tuple(names), LIST_KIND, timeout_ms, nothing)
    return nothing


def _wait_to_move(context: Context, words: list[bytes], timeout_ms: int) -> bytes:
    """Inside of a transaction the reply is the absent element, after a time an absent array."""
    if context.may_block:
        _wait(context, words, words[1:2], timeout_ms)
    return context.null


_KEYS_COMPLEXITY: Final = "O(N) where N is the number of keys"

TABLE: Final = (
    row(
        "blpop", -3, "write blocking", blpop,
        summary="Takes the first element of a list, and waits until there is one.",
        since="2.0.0", group="list", categories="list", complexity=_KEYS_COMPLEXITY,
        syntax="key [key ...] timeout", keys=(keys("RW access delete", last=-2),),
    ),
    row(
        "brpop", -3, "write blocking", brpop,
        summary="Takes the last element of a list, and waits until there is one.",
        since="2.0.0", group="list", categories="list", complexity=_KEYS_COMPLEXITY,
        syntax="key [key ...] timeout", keys=(keys("RW access delete", last=-2),),
    ),
    row(
        "blmove", 6, "write denyoom blocking", blmove,
        summary="Takes an element of a list and adds it to another, and waits until there is one.",
        since="6.2.0", group="list", categories="list",
        syntax="source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
        keys=(keys("RW access delete"), keys("RW insert", first=2)),
    ),
    row(
        "brpoplpush", 4, "write denyoom blocking", brpoplpush,
        summary="Takes the last element of a list and adds it at the head of another, and waits "
        "until there is one.",
        since="2.2.0", group="list", categories="list",
        syntax="source destination timeout",
        keys=(keys("RW access delete"), keys("RW insert", first=2)),
    ),
    row(
        "blmpop", -5, "write blocking movablekeys", blmpop,
        summary="Takes elements of the first of several lists that exists, and waits until one "
        "does.",
        since="7.0.0", group="list", categories="list",
        complexity="O(N+M) where N is the number of keys and M the number of elements returned",
        syntax="timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        keys=(counted_keys("RW access delete", 2),),
    ),
)  # fmt: skip
