"""The commands that pop elements of a sorted set, pick some, or walk over all of them (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import check_picks, integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.scan import parse_cursor, parse_element_scan
from kiwi_engine.commands.rows import counted_keys, keys, row
from kiwi_engine.commands.sorted_sets.words import elements_reply, flat_reply, nested_reply
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.doubles import double_text, long_double_text
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import SORTED_SET
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet, open_sorted_set
from kiwi_engine.keyspace.sorted_sets.spread import Element
from kiwi_engine.keyspace.spread.roots import LISTPACK
from kiwi_engine.resp.reply import EMPTY_ARRAY, array, bulk, bulk_array, null_array

_POSITIVE: Final = "ERR value is out of range, must be positive"
_EMPTY_PAGE: Final = array([bulk(b"0"), EMPTY_ARRAY])
# With scores twice as many words are returned, which must not overflow.
_PAIRS_MAX: Final = INTEGER_MAX // 2


def zpopmin(context: Context, arguments: list[bytes]) -> bytes:
    return _pop(context, arguments, is_last=False)


def zpopmax(context: Context, arguments: list[bytes]) -> bytes:
    return _pop(context, arguments, is_last=True)


def _pop(context: Context, arguments: list[bytes], *, is_last: bool) -> bytes:
    if len(arguments) > 3:
        syntax_error()
    is_counted = len(arguments) == 3
    count = integer_between(arguments[2], 0, INTEGER_MAX, _POSITIVE) if is_counted else 1
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    if found is None or not count:
        return EMPTY_ARRAY
    popped = pop_up_to(context, arguments[1], found, count, is_last=is_last)
    # One alone is never a pair, as it was before there were counts.
    return (nested_reply if context.resp3 and is_counted else flat_reply)(context.resp3, popped)


def pop_up_to(
    context: Context, key: bytes, found: AnySortedSet, count: int, *, is_last: bool
) -> list[Element]:
    """Take at most `count` elements, 1 or more, from one end, and save what is left."""
    popped = found.pop(count, is_last=is_last)
    found.save()
    context.shrunk(key, SORTED_SET, b"zpopmax" if is_last else b"zpopmin", found.count)
    return popped


class Choice(NamedTuple):
    """What ZMPOP was asked for."""

    keys: list[bytes]
    is_last: bool
    limit: int


def parse_choice(words: list[bytes]) -> Choice:
    """`numkeys key [key ...] <MIN | MAX> [COUNT count]`."""
    message = "ERR numkeys should be greater than 0"
    key_count = integer_between(words[0], 1, INTEGER_MAX, message)
    names, options = words[1 : 1 + key_count], words[1 + key_count :]
    if not options or options[0].lower() not in (b"min", b"max"):
        syntax_error()
    limit = 1
    if len(options) > 1:
        if options[1].lower() != b"count" or len(options) == 2:
            syntax_error()
        limit = integer_between(options[2], 1, INTEGER_MAX, "ERR count should be greater than 0")
        if len(options) > 3:
            syntax_error()
    return Choice(names, options[0].lower() == b"max", limit)


def zmpop(context: Context, arguments: list[bytes]) -> bytes:
    choice = parse_choice(arguments[1:])
    for key in choice.keys:
        found = open_sorted_set(context.db, key, context.now_ms)
        if found is not None:
            popped = pop_up_to(context, key, found, choice.limit, is_last=choice.is_last)
            return array([bulk(key), nested_reply(context.resp3, popped)])
    return null_array(context.resp3)


def zrandmember(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) > 2:
        return _random_members(context, arguments)
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return context.null
    member, _ = found.pick(context.keyspace.random)
    return bulk(member)


def _random_members(context: Context, arguments: list[bytes]) -> bytes:
    count = integer_between(arguments[2], -INTEGER_MAX, INTEGER_MAX)
    with_scores = len(arguments) == 4
    if len(arguments) > 4 or (with_scores and arguments[3].lower() != b"withscores"):
        syntax_error()
    if with_scores and not -_PAIRS_MAX <= count <= _PAIRS_MAX:
        raise ReplyError("ERR value is out of range")
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    if found is None or not count:
        return EMPTY_ARRAY
    random = context.keyspace.random
    if count < 0:
        check_picks(-count)
        elements = found.sample_repeating(-count, random)
    elif count < found.count:
        elements = found.sample(count, random)
    else:
        elements = list(found.between(0, found.count))
    return elements_reply(context.resp3, elements, with_scores)


def zscan(context: Context, arguments: list[bytes]) -> bytes:
    cursor = parse_cursor(arguments[2])
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return _EMPTY_PAGE
    page_count, is_wanted = parse_element_scan(arguments[3:])
    following, elements = found.scan(cursor, page_count)
    score_text = double_text if found.root.encoding == LISTPACK else long_double_text
    words: list[bytes] = []
    for member, score in elements:
        if is_wanted(member):
            words += (member, score_text(score))
    return array([bulk(b"%d" % following), bulk_array(words)])


_POP_COMPLEXITY: Final = "O(log(N)*M), N being the number of members and M that of those popped"

TABLE: Final = (
    row(
        "zpopmin", -2, "write fast", zpopmin,
        summary="Removes and returns the members with the lowest scores.",
        since="5.0.0", group="sorted-set", categories="sortedset", complexity=_POP_COMPLEXITY,
        syntax="key [count]", keys=(keys("RW access delete"),),
    ),
    row(
        "zpopmax", -2, "write fast", zpopmax,
        summary="Removes and returns the members with the highest scores.",
        since="5.0.0", group="sorted-set", categories="sortedset", complexity=_POP_COMPLEXITY,
        syntax="key [count]", keys=(keys("RW access delete"),),
    ),
    row(
        "zmpop", -4, "write movablekeys", zmpop,
        summary="Pops members from the first of several sorted sets that is not empty.",
        since="7.0.0", group="sorted-set", categories="sortedset",
        complexity="O(K) + " + _POP_COMPLEXITY + ", K being the number of keys",
        syntax="numkeys key [key ...] <MIN | MAX> [COUNT count]",
        keys=(counted_keys("RW access delete", 1),),
    ),
    row(
        "zrandmember", -2, "readonly", zrandmember,
        summary="Returns random members of a sorted set.",
        since="6.2.0", group="sorted-set", categories="sortedset",
        complexity="O(N), N being the number of members asked for",
        syntax="key [count [WITHSCORES]]",
        keys=(keys("RO access"),), tips=("nondeterministic_output",),
    ),
    row(
        "zscan", -3, "readonly", zscan,
        summary="Returns one page of the members of a sorted set and their scores, and where to "
        "go on.",
        since="2.8.0", group="sorted-set", categories="sortedset",
        complexity="O(1) for a page, O(N) for all of N members",
        syntax="key cursor [MATCH pattern] [COUNT count]",
        keys=(keys("RO access"),), tips=("nondeterministic_output",),
    ),
)  # fmt: skip
