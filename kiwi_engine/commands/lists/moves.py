"""The list commands that choose between lists or move from one to another (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.lists.ends import pop_event, pop_up_to, push_event
from kiwi_engine.commands.rows import counted_keys, keys, row
from kiwi_engine.keyspace.lists.opening import new_list, open_list
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import LIST
from kiwi_engine.resp import reply
from kiwi_engine.resp.reply import bulk, bulk_array

_ENDS: Final = {b"left": True, b"right": False}


def is_head(word: bytes) -> bool:
    """LEFT or RIGHT."""
    at_head = _ENDS.get(word.lower())
    return syntax_error() if at_head is None else at_head


def lmove(context: Context, arguments: list[bytes]) -> bytes:
    _, source, destination, taken_from, pushed_to = arguments
    from_head, to_head = is_head(taken_from), is_head(pushed_to)
    element = move(context, source, destination, from_head=from_head, to_head=to_head)
    return context.null if element is None else bulk(element)


def rpoplpush(context: Context, arguments: list[bytes]) -> bytes:
    _, source, destination = arguments
    element = move(context, source, destination, from_head=False, to_head=True)
    return context.null if element is None else bulk(element)


def move(
    context: Context, source: bytes, destination: bytes, *, from_head: bool, to_head: bool
) -> bytes | None:
    """Take an element from one list and push it to another or the same; None without a source."""
    db, now_ms = context.db, context.now_ms
    origin = open_list(db, source, now_ms)
    if origin is None:
        return None
    if destination == source:
        target = origin
    else:
        target = open_list(db, destination, now_ms) or new_list(db, destination)
    (element,) = origin.pop(1, at_head=from_head)
    target.push((element,), at_head=to_head)
    target.save()
    if target is not origin:
        origin.save()
    context.changed(destination, LIST, push_event(at_head=to_head))
    context.shrunk(source, LIST, pop_event(at_head=from_head), origin.count)
    return element


class Choice(NamedTuple):
    """What LMPOP was asked for."""

    keys: list[bytes]
    at_head: bool
    limit: int


def parse_choice(words: list[bytes]) -> Choice:
    """`numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`."""
    key_count = integer_between(words[0], 1, INTEGER_MAX, "ERR numkeys should be greater than 0")
    end = 1 + key_count
    if end >= len(words):
        syntax_error()
    at_head = is_head(words[end])
    options = words[end + 1 :]
    limit = 1
    if options:
        if len(options) < 2 or options[0].lower() != b"count":
            syntax_error()
        limit = integer_between(options[1], 1, INTEGER_MAX, "ERR count should be greater than 0")
        if len(options) > 2:
            syntax_error()
    return Choice(words[1:end], at_head, limit)


def lmpop(context: Context, arguments: list[bytes]) -> bytes:
    choice = parse_choice(arguments[1:])
    for key in choice.keys:
        found = open_list(context.db, key, context.now_ms)
        if found is not None:
            popped = pop_up_to(context, key, found, choice.limit, at_head=choice.at_head)
            return reply.array((bulk(key), bulk_array(popped)))
    return reply.null_array(context.resp3)


TABLE: Final = (
    row(
        "lmove", 5, "write denyoom", lmove,
        summary="Takes an element from one end of a list and adds it at one end of another.",
        since="6.2.0", group="list", categories="list",
        syntax="source destination <LEFT | RIGHT> <LEFT | RIGHT>",
        keys=(keys("RW access delete"), keys("RW insert", first=2)),
    ),
    row(
        "rpoplpush", 3, "write denyoom", rpoplpush,
        summary="Takes the last element of a list and adds it at the head of another.",
        since="1.2.0", group="list", categories="list",
        syntax="source destination",
        keys=(keys("RW access delete"), keys("RW insert", first=2)),
    ),
    row(
        "lmpop", -4, "write movablekeys", lmpop,
        summary="Takes elements from one end of the first of several lists that exists.",
        since="7.0.0", group="list", categories="list",
        complexity="O(N+M) where N is the number of keys and M the number of elements returned",
        syntax="numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        keys=(counted_keys("RW access delete", 1),),
    ),
)  # fmt: skip
