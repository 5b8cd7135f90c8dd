"""The hash commands that return some fields of the server's choice (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.commands.arguments import check_picks, integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.scan import parse_cursor, parse_element_scan
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.hashes.opening import Hash, open_hash
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.resp.reply import EMPTY_ARRAY, array, bulk, bulk_array

_EMPTY_PAGE: Final = array([bulk(b"0"), EMPTY_ARRAY])
_WITH_VALUES_MAX: Final = INTEGER_MAX // 2


def hrandfield(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) > 2:
        return _hrandfield_many(context, arguments)
    found = open_hash(context.db, arguments[1], context.now_ms)
    field = None if found is None else found.pick(context.keyspace.random)
    return context.null if field is None else bulk(field)


def _hrandfield_many(context: Context, arguments: list[bytes]) -> bytes:
    count = integer_between(arguments[2], -INTEGER_MAX, INTEGER_MAX)
    with_values = len(arguments) == 4 and arguments[3].lower() == b"withvalues"
    if len(arguments) > 3 and not with_values:
        syntax_error()
    if with_values and abs(count) > _WITH_VALUES_MAX:
        raise ReplyError("ERR value is out of range")
    found = open_hash(context.db, arguments[1], context.now_ms)
    if found is None or not count:
        return EMPTY_ARRAY
    pairs = _choose(context, found, count)
    if not with_values:
        return bulk_array(field for field, _ in pairs)
    if context.resp3:
        return array([bulk_array(pair) for pair in pairs])
    return bulk_array(word for pair in pairs for word in pair)


def _choose(context: Context, found: Hash, count: int) -> Iterable[tuple[bytes, bytes]]:
    """`count` different fields, or all if there are no more; repeating ones if it is negative."""
    random = context.keyspace.random
    if count < 0:
        check_picks(-count)
        return found.sample_repeating(-count, random)
    return found.items() if count >= found.count_at_most else found.sample(count, random)


def hscan(context: Context, arguments: list[bytes]) -> bytes:
    cursor = parse_cursor(arguments[2])
    found = open_hash(context.db, arguments[1], context.now_ms)
    if found is None:
        return _EMPTY_PAGE
    words = arguments[3:]
    options = _without_novalues(words)
    page_fields, matches = parse_element_scan(options)
    following, items = found.scan(cursor, page_fields)
    pairs = [pair for pair in items if matches(pair[0])]
    if len(options) < len(words):
        shown = bulk_array(field for field, _ in pairs)
    else:
        shown = bulk_array(word for pair in pairs for word in pair)
    return array([bulk(b"%d" % following), shown])


def _without_novalues(words: list[bytes]) -> list[bytes]:
    """The options that take a value; NOVALUES (Redis 7.4) takes none."""
    options: list[bytes] = []
    at = 0
    while at < len(words):
        if words[at].lower() == b"novalues":
            at += 1
        else:
            options += words[at : at + 2]
            at += 2
    return options


TABLE: Final = (
    row(
        "hrandfield", -2, "readonly", hrandfield,
        summary="Returns random fields of a hash.",
        since="6.2.0", group="hash", categories="hash",
        complexity="O(N) for N fields returned",
        syntax="key [count [WITHVALUES]]", keys=(keys("RO access"),),
        tips=("nondeterministic_output",),
    ),
    row(
        "hscan", -3, "readonly", hscan,
        summary="Returns one page of the fields of a hash, and where to go on.",
        since="2.8.0", group="hash", categories="hash",
        complexity="O(1) for a page, O(N) for all of N fields",
        syntax="key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
        keys=(keys("RO access"),), tips=("nondeterministic_output",),
    ),
)  # fmt: skip
