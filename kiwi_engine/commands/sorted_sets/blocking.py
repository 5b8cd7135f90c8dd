"""The sorted set commands that wait for a member (pure).

Where they may not wait they answer at once, as if their time had passed.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.blocking import WouldBlock
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import counted_keys, keys, row
from kiwi_engine.commands.sorted_sets.picks import parse_choice, pop_up_to
from kiwi_engine.commands.sorted_sets.words import nested_reply, score_reply
from kiwi_engine.commands.timeouts import parse_seconds
from kiwi_engine.keyspace.encoding import SORTED_SET_KIND
from kiwi_engine.keyspace.sorted_sets.opening import open_sorted_set
from kiwi_engine.keyspace.sorted_sets.spread import Element
from kiwi_engine.resp.reply import array, bulk, null_array


def bzpopmin(context: Context, words: list[bytes]) -> bytes:
    return _pop(context, words, is_last=False)


def bzpopmax(context: Context, words: list[bytes]) -> bytes:
    return _pop(context, words, is_last=True)


def _pop(context: Context, words: list[bytes], *, is_last: bool) -> bytes:
    timeout_ms = parse_seconds(words[-1], context.now_ms)
    names = words[1:-1]
    popped = _pop_first(context, names, 1, is_last=is_last)
    if popped is None:
        return _wait(context, words, names, timeout_ms)
    key, ((member, score),) = popped
    return array((bulk(key), bulk(member), score_reply(context.resp3, score)))


def bzmpop(context: Context, words: list[bytes]) -> bytes:
    choice = parse_choice(words[2:])
    timeout_ms = parse_seconds(words[1], context.now_ms)
    popped = _pop_first(context, choice.keys, choice.limit, is_last=choice.is_last)
    if popped is None:
        return _wait(context, words, choice.keys, timeout_ms)
    key, elements = popped
    return array((bulk(key), nested_reply(context.resp3, elements)))


def _pop_first(
    context: Context, names: list[bytes], limit: int, *, is_last: bool
) -> tuple[bytes, list[Element]] | None:
    """Take up to `limit` members of the first sorted set that there is; its key, and those."""
    for key in names:
        found = open_sorted_set(context.db, key, context.now_ms)
        if found is not None:
            return key, pop_up_to(context, key, found, limit, is_last=is_last)
    return None


def _wait(context: Context, words: list[bytes], names: list[bytes], timeout_ms: int) -> bytes:
    nothing = null_array(context.resp3)
    if context.may_block:
        raise WouldBlock(words, tuple(names), SORTED_SET_KIND, timeout_ms, nothing)
    return nothing


_COMPLEXITY: Final = "O(log(N)), N being the number of members"

TABLE: Final = (
    row(
        "bzpopmin", -3, "write blocking fast", bzpopmin,
        summary="Takes the member with the lowest score, and waits until there is one.",
        since="5.0.0", group="sorted-set", categories="sortedset", complexity=_COMPLEXITY,
        syntax="key [key ...] timeout", keys=(keys("RW access delete", last=-2),),
    ),
    row(
        "bzpopmax", -3, "write blocking fast", bzpopmax,
        summary="Takes the member with the highest score, and waits until there is one.",
        since="5.0.0", group="sorted-set", categories="sortedset", complexity=_COMPLEXITY,
        syntax="key [key ...] timeout", keys=(keys("RW access delete", last=-2),),
    ),
    row(
        "bzmpop", -5, "write blocking movablekeys", bzmpop,
        summary="Takes members of the first of several sorted sets that exists, and waits until "
        "one does.",
        since="7.0.0", group="sorted-set", categories="sortedset",
        complexity="O(K)+O(M*log(N)), K being the number of keys, M that of the members returned, "
        "N that of all members",
        syntax="timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
        keys=(counted_keys("RW access delete", 2),),
    ),
)  # fmt: skip
