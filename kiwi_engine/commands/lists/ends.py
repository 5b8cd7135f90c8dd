"""The list commands on one list: both ends, and reading by index (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import integer, integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import wrong_arity
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.lists.opening import AnyList, new_list, open_list
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import LIST
from kiwi_engine.resp import reply
from kiwi_engine.resp.reply import EMPTY_ARRAY, ZERO, bulk, bulk_array

_COUNT_IS_NEGATIVE: Final = "ERR value is out of range, must be positive"
_RANK_IS_ZERO: Final = (
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
    "negative to start from the end of the list"
)


def lpush(context: Context, arguments: list[bytes]) -> bytes:
    return _push(context, arguments, at_head=True)


def rpush(context: Context, arguments: list[bytes]) -> bytes:
    return _push(context, arguments, at_head=False)


def _push(context: Context, arguments: list[bytes], *, at_head: bool) -> bytes:
    db, key = context.db, arguments[1]
    found = open_list(db, key, context.now_ms) or new_list(db, key)
    found.push(arguments[2:], at_head=at_head)
    found.save()
    if context.observer is not None:
        context.changed(key, LIST, push_event(at_head=at_head))
    return reply.integer(found.count)


def push_event(*, at_head: bool) -> bytes:
    """What Redis calls a push to one end."""
    return b"lpush" if at_head else b"rpush"


def pop_event(*, at_head: bool) -> bytes:
    """What Redis calls a pop from one end."""
    return b"lpop" if at_head else b"rpop"


def lpushx(context: Context, arguments: list[bytes]) -> bytes:
    return _push_if_present(context, arguments, at_head=True)


def rpushx(context: Context, arguments: list[bytes]) -> bytes:
    return _push_if_present(context, arguments, at_head=False)


def _push_if_present(context: Context, arguments: list[bytes], *, at_head: bool) -> bytes:
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is None:
        return ZERO
    found.push(arguments[2:], at_head=at_head)
    found.save()
    context.changed(arguments[1], LIST, push_event(at_head=at_head))
    return reply.integer(found.count)


def lpop(context: Context, arguments: list[bytes]) -> bytes:
    return _pop(context, arguments, at_head=True)


def rpop(context: Context, arguments: list[bytes]) -> bytes:
    return _pop(context, arguments, at_head=False)


def _pop(context: Context, arguments: list[bytes], *, at_head: bool) -> bytes:
    if len(arguments) > 2:
        return _pop_many(context, arguments, at_head=at_head)
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is None:
        return context.null
    (element,) = found.pop(1, at_head=at_head)
    found.save()
    if context.observer is not None:
        context.shrunk(arguments[1], LIST, pop_event(at_head=at_head), found.count)
    return b"$%d\r\n%b\r\n" % (len(element), element)


def _pop_many(context: Context, arguments: list[bytes], *, at_head: bool) -> bytes:
    if len(arguments) > 3:
        raise wrong_arity(arguments[0].decode().lower())
    count = integer_between(arguments[2], 0, INTEGER_MAX, _COUNT_IS_NEGATIVE)
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is None:
        return reply.null_array(context.resp3)
    if not count:
        return EMPTY_ARRAY
    return bulk_array(pop_up_to(context, arguments[1], found, count, at_head=at_head))


def pop_up_to(
    context: Context, key: bytes, found: AnyList, count: int, *, at_head: bool
) -> list[bytes]:
    """Take at most `count` elements, 1 or more, from one end, and save what is left."""
    popped = found.pop(min(count, found.count), at_head=at_head)
    found.save()
    context.shrunk(key, LIST, pop_event(at_head=at_head), found.count)
    return popped


def llen(context: Context, arguments: list[bytes]) -> bytes:
    found = open_list(context.db, arguments[1], context.now_ms)
    return ZERO if found is None else reply.integer(found.count)


def lindex(context: Context, arguments: list[bytes]) -> bytes:
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is None:
        return context.null
    index = place(found, arguments[2])
    return context.null if index is None else bulk(found.get(index))


def place(found: AnyList, text: bytes) -> int | None:
    """The index from 0 on that `text` tells, which may count from the tail; None if outside."""
    index = integer(text)
    if index < 0:
        index += found.count
    return index if 0 <= index < found.count else None


def lrange(context: Context, arguments: list[bytes]) -> bytes:
    first, last = integer(arguments[2]), integer(arguments[3])
    found = open_list(context.db, arguments[1], context.now_ms)
    if found is None:
        return EMPTY_ARRAY
    start, stop = bounds(first, last, found.count)
    return bulk_array(found.read(start, stop - start)) if start < stop else EMPTY_ARRAY


def bounds(first: int, last: int, count: int) -> tuple[int, int]:
    """Where a range from `first` to `last`, both counted as Redis does, begins and stops."""
    start = max(0, first + count if first < 0 else first)
    stop = min(count, (last + count if last < 0 else last) + 1)
    return (start, stop) if start < stop else (0, 0)


def lpos(context: Context, arguments: list[bytes]) -> bytes:
    element = arguments[2]
    rank, count, length_max = _parse_lpos_options(arguments[3:])
    found = open_list(context.db, arguments[1], context.now_ms)
    matches: list[int] = []
    if found is not None:
        wanted = 1 if count is None else count
        matches = _matches(found, element, rank, wanted, length_max)
    if count is not None:
        return reply.array([reply.integer(index) for index in matches])
    return reply.integer(matches[0]) if matches else context.null


def _parse_lpos_options(words: list[bytes]) -> tuple[int, int | None, int]:
    """RANK, COUNT (None if not given) and MAXLEN."""
    rank, count, length_max = 1, None, 0
    at = 0
    while at < len(words):
        word = words[at].lower()
        value = words[at + 1] if at + 1 < len(words) else syntax_error()
        at += 2
        if word == b"rank":
            rank = integer_between(value, -INTEGER_MAX, INTEGER_MAX)
            if rank == 0:
                raise ReplyError(_RANK_IS_ZERO)
        elif word == b"count":
            count = integer_between(value, 0, INTEGER_MAX, "ERR COUNT can't be negative")
        elif word == b"maxlen":
            length_max = integer_between(value, 0, INTEGER_MAX, "ERR MAXLEN can't be negative")
        else:
            syntax_error()
    return rank, count, length_max


def _matches(found: AnyList, element: bytes, rank: int, count: int, length_max: int) -> list[int]:
    """Indexes of `element` from match number `rank` on, up to `count` (0: all) of them."""
    reverse = rank < 0
    matches: list[int] = []
    left_out = abs(rank) - 1
    for index in found.find(element, length_max or found.count, reverse=reverse):
        if left_out:
            left_out -= 1
            continue
        matches.append(index)
        if len(matches) == count:
            break
    return matches


_PUSH_COMPLEXITY: Final = "O(N) where N is the number of elements pushed"
_POP_COMPLEXITY: Final = "O(N) where N is the number of elements returned"

TABLE: Final = (
    row(
        "lpush", -3, "write denyoom fast", lpush,
        summary="Adds elements at the head of a list, one after the other.",
        since="1.0.0", group="list", categories="list", complexity=_PUSH_COMPLEXITY,
        syntax="key element [element ...]", keys=(keys("RW insert"),),
    ),
    row(
        "rpush", -3, "write denyoom fast", rpush,
        summary="Adds elements at the tail of a list.",
        since="1.0.0", group="list", categories="list", complexity=_PUSH_COMPLEXITY,
        syntax="key element [element ...]", keys=(keys("RW insert"),),
    ),
    row(
        "lpushx", -3, "write denyoom fast", lpushx,
        summary="Adds elements at the head of a list that exists.",
        since="2.2.0", group="list", categories="list", complexity=_PUSH_COMPLEXITY,
        syntax="key element [element ...]", keys=(keys("RW insert"),),
    ),
    row(
        "rpushx", -3, "write denyoom fast", rpushx,
        summary="Adds elements at the tail of a list that exists.",
        since="2.2.0", group="list", categories="list", complexity=_PUSH_COMPLEXITY,
        syntax="key element [element ...]", keys=(keys("RW insert"),),
    ),
    row(
        "lpop", -2, "write fast", lpop,
        summary="Takes elements from the head of a list.",
        since="1.0.0", group="list", categories="list", complexity=_POP_COMPLEXITY,
        syntax="key [count]", keys=(keys("RW access delete"),),
    ),
    row(
        "rpop", -2, "write fast", rpop,
        summary="Takes elements from the tail of a list.",
        since="1.0.0", group="list", categories="list", complexity=_POP_COMPLEXITY,
        syntax="key [count]", keys=(keys("RW access delete"),),
    ),
    row(
        "llen", 2, "readonly fast", llen,
        summary="Tells how many elements a list has.",
        since="1.0.0", group="list", categories="list",
        syntax="key", keys=(keys("RO"),),
    ),
    row(
        "lindex", 3, "readonly", lindex,
        summary="Returns the element at an index of a list.",
        since="1.0.0", group="list", categories="list",
        syntax="key index", keys=(keys("RO access"),),
    ),
    row(
        "lrange", 4, "readonly", lrange,
        summary="Returns the elements between two indexes of a list.",
        since="1.0.0", group="list", categories="list", complexity=_POP_COMPLEXITY,
        syntax="key start stop", keys=(keys("RO access"),),
    ),
    row(
        "lpos", -3, "readonly", lpos,
        summary="Finds the indexes of equal elements of a list.",
        since="6.0.6", group="list", categories="list",
        complexity="O(N) where N is the number of elements that are compared",
        syntax="key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
        keys=(keys("RO access"),),
    ),
)  # fmt: skip
