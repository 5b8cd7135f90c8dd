"""The commands on single members of sorted sets, and those that count (pure)."""

from __future__ import annotations

from itertools import takewhile
from math import isnan
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import wrong_arity
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.sorted_sets.words import (
    parse_lex_range,
    parse_score,
    parse_score_range,
    score_reply,
)
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.observation import SORTED_SET
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet, new_sorted_set, open_sorted_set
from kiwi_engine.keyspace.sorted_sets.score_order import Range
from kiwi_engine.resp.reply import ZERO, array, integer, null_array

_NOT_A_NUMBER: Final = "ERR resulting score is not a number (NaN)"
_OPTIONS: Final = frozenset((b"nx", b"xx", b"gt", b"lt", b"ch", b"incr"))


class Changes(NamedTuple):
    """What ZADD did; `score` is that of the last member, None where a condition left it out."""

    added: int
    updated: int
    score: float | None


def zadd(context: Context, arguments: list[bytes]) -> bytes:
    # Most have no options; an infinite score begins with a letter, too.
    options = _options(arguments) if arguments[2][:1].isalpha() else []
    pairs = arguments[2 + len(options) :]
    if not pairs or len(pairs) % 2:
        syntax_error()
    if options:
        _check_options(options, len(pairs))
    scores = list(map(parse_score, pairs[::2]))
    done = _add(context, arguments[1], pairs[1::2], scores, options)
    if b"incr" in options:
        return context.null if done.score is None else score_reply(context.resp3, done.score)
    return integer(done.added + done.updated if b"ch" in options else done.added)


def _options(arguments: list[bytes]) -> list[bytes]:
    """The words between the key and the first score, in lower case."""
    return list(takewhile(_OPTIONS.__contains__, map(bytes.lower, arguments[2:])))


def _check_options(options: list[bytes], word_count: int) -> None:
    if b"nx" in options and b"xx" in options:
        raise ReplyError("ERR XX and NX options at the same time are not compatible")
    if sum(option in options for option in (b"nx", b"gt", b"lt")) > 1:
        raise ReplyError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"incr" in options and word_count > 2:
        raise ReplyError("ERR INCR option supports a single increment-element pair")


def zincrby(context: Context, arguments: list[bytes]) -> bytes:
    _, key, increment, member = arguments
    done = _add(context, key, [member], [parse_score(increment)], [b"incr"])
    assert done.score is not None, "there was no condition"
    return score_reply(context.resp3, done.score)


def _add(
    context: Context,
    key: bytes,
    members: list[bytes],
    scores: list[float],
    options: list[bytes],
) -> Changes:
    """Several members are given scores, not increments: nothing fails after the first change."""
    found = open_sorted_set(context.db, key, context.now_ms)
    if found is None:
        if b"xx" in options:
            return Changes(0, 0, None)
        found = new_sorted_set(context.db, key, members[0], len(members))
    else:
        found.expect(len(members))
    added = updated = 0
    result: float | None = None
    found.prefetch(members)
    for member, given in zip(members, scores, strict=True):
        previous = found.score(member)
        result = _decide(previous, given, options) if options else given
        if result is None or result == previous:
            continue
        found.put(member, result, previous)
        if previous is None:
            added += 1
        else:
            updated += 1
    if added or updated:
        found.save()
        if context.observer is not None:
            context.changed(key, SORTED_SET, b"zincr" if b"incr" in options else b"zadd")
    return Changes(added, updated, result)


def _decide(previous: float | None, given: float, options: list[bytes]) -> float | None:
    """The score that a member gets, None if a condition leaves it as it is."""
    if previous is None:
        return None if b"xx" in options else given
    if b"nx" in options:
        return None
    score = previous + given if b"incr" in options else given
    if isnan(score):
        raise ReplyError(_NOT_A_NUMBER)
    if (b"lt" in options and score >= previous) or (b"gt" in options and score <= previous):
        return None
    return score


def zrem(context: Context, arguments: list[bytes]) -> bytes:
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return ZERO
    removed = 0
    members = dict.fromkeys(arguments[2:])
    for member, score in zip(members, found.scores(list(members)), strict=True):
        if score is not None:
            found.remove(member, score)
            removed += 1
    if removed:
        found.save()
        context.shrunk(arguments[1], SORTED_SET, b"zrem", found.count)
    return integer(removed)


def zcard(context: Context, arguments: list[bytes]) -> bytes:
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    return ZERO if found is None else integer(found.count)


def zscore(context: Context, arguments: list[bytes]) -> bytes:
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    score = None if found is None else found.score(arguments[2])
    return context.null if score is None else score_reply(context.resp3, score)


def zmscore(context: Context, arguments: list[bytes]) -> bytes:
    members = arguments[2:]
    found = open_sorted_set(context.db, arguments[1], context.now_ms)
    scores = [None] * len(members) if found is None else found.scores(members)
    return array(
        [context.null if score is None else score_reply(context.resp3, score) for score in scores]
    )


def zrank(context: Context, arguments: list[bytes]) -> bytes:
    return _rank(context, arguments, is_reverse=False)


def zrevrank(context: Context, arguments: list[bytes]) -> bytes:
    return _rank(context, arguments, is_reverse=True)


def _rank(context: Context, arguments: list[bytes], *, is_reverse: bool) -> bytes:
    _, key, member = arguments[:3]
    if len(arguments) > 4:
        raise wrong_arity("zrevrank" if is_reverse else "zrank")
    with_score = len(arguments) == 4
    if with_score and arguments[3].lower() != b"withscore":
        syntax_error()
    found = open_sorted_set(context.db, key, context.now_ms)
    score = None if found is None else found.score(member)
    if found is None or score is None:
        return null_array(context.resp3) if with_score else context.null
    rank = found.rank(member, score)
    reply = integer(found.count - 1 - rank if is_reverse else rank)
    return array([reply, score_reply(context.resp3, score)]) if with_score else reply


def zcount(context: Context, arguments: list[bytes]) -> bytes:
    return _count(context, arguments[1], parse_score_range(arguments[2], arguments[3]))


def zlexcount(context: Context, arguments: list[bytes]) -> bytes:
    return _count(context, arguments[1], parse_lex_range(arguments[2], arguments[3]))


def _count(context: Context, key: bytes, wanted: Range) -> bytes:
    found: AnySortedSet | None = open_sorted_set(context.db, key, context.now_ms)
    if found is None:
        return ZERO
    begin, end = found.index_range(wanted)
    return integer(end - begin)


_COUNT_COMPLEXITY: Final = "O(log(N)+sqrt(N)), N being the number of members"

TABLE: Final = (
    row(
        "zadd", -4, "write denyoom fast", zadd,
        summary="Gives members of a sorted set scores; those that are not in it yet are added.",
        since="1.2.0", group="sorted-set", categories="sortedset",
        complexity="O(log(N)) for each member given, N being the number of members",
        syntax="key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
        keys=(keys("RW update"),),
    ),
    row(
        "zincrby", 4, "write denyoom fast", zincrby,
        summary="Adds a number to the score of a member.",
        since="1.2.0", group="sorted-set", categories="sortedset",
        complexity="O(log(N)), N being the number of members",
        syntax="key increment member", keys=(keys("RW access update"),),
    ),
    row(
        "zrem", -3, "write fast", zrem,
        summary="Removes members from a sorted set; the last one takes the key with it.",
        since="1.2.0", group="sorted-set", categories="sortedset",
        complexity="O(log(N)) for each member given, N being the number of members",
        syntax="key member [member ...]", keys=(keys("RW delete"),),
    ),
    row(
        "zcard", 2, "readonly fast", zcard,
        summary="Counts the members of a sorted set.",
        since="1.2.0", group="sorted-set", categories="sortedset",
        syntax="key", keys=(keys("RO"),),
    ),
    row(
        "zscore", 3, "readonly fast", zscore,
        summary="Returns the score of a member.",
        since="1.2.0", group="sorted-set", categories="sortedset",
        syntax="key member", keys=(keys("RO access"),),
    ),
    row(
        "zmscore", -3, "readonly fast", zmscore,
        summary="Returns the scores of several members.",
        since="6.2.0", group="sorted-set", categories="sortedset",
        complexity="O(N), N being the number of members given",
        syntax="key member [member ...]", keys=(keys("RO access"),),
    ),
    row(
        "zrank", -3, "readonly fast", zrank,
        summary="Returns the index of a member, counted from the lowest score on.",
        since="2.0.0", group="sorted-set", categories="sortedset", complexity=_COUNT_COMPLEXITY,
        syntax="key member [WITHSCORE]", keys=(keys("RO access"),),
    ),
    row(
        "zrevrank", -3, "readonly fast", zrevrank,
        summary="Returns the index of a member, counted from the highest score on.",
        since="2.0.0", group="sorted-set", categories="sortedset", complexity=_COUNT_COMPLEXITY,
        syntax="key member [WITHSCORE]", keys=(keys("RO access"),),
    ),
    row(
        "zcount", 4, "readonly fast", zcount,
        summary="Counts the members with a score in a range.",
        since="2.0.0", group="sorted-set", categories="sortedset", complexity=_COUNT_COMPLEXITY,
        syntax="key min max", keys=(keys("RO access"),),
    ),
    row(
        "zlexcount", 4, "readonly fast", zlexcount,
        summary="Counts the members in a range, where all scores are equal.",
        since="2.8.9", group="sorted-set", categories="sortedset", complexity=_COUNT_COMPLEXITY,
        syntax="key min max", keys=(keys("RO access"),),
    ),
)  # fmt: skip
