"""The commands that pick members of a set at random (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import check_picks, integer_between, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX
from kiwi_engine.keyspace.observation import SET
from kiwi_engine.keyspace.sets.encoding import is_made_anew, made_anew
from kiwi_engine.keyspace.sets.opening import open_set
from kiwi_engine.resp.reply import EMPTY_ARRAY, bulk, bulk_array, set_of

NOT_POSITIVE: Final = "ERR value is out of range, must be positive"


def spop(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) > 3:
        syntax_error()
    if len(arguments) == 3:
        return _pop_many(context, arguments[1], arguments[2])
    found = open_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return context.null
    member = found.pick(context.keyspace.random)
    found.remove(member)
    found.save()
    context.shrunk(arguments[1], SET, b"spop", found.count)
    return bulk(member)


def _pop_many(context: Context, key: bytes, count_text: bytes) -> bytes:
    count = integer_between(count_text, 0, INTEGER_MAX, NOT_POSITIVE)
    found = open_set(context.db, key, context.now_ms)
    if found is None or not count:
        return set_of(context.resp3, [])
    if count >= found.count:
        members = found.in_reply_order()
        context.db.drop(key, found.root)
        context.shrunk(key, SET, b"spop", 0)
    else:
        members = found.sample(count, context.keyspace.random)
        found.remove_all(members)
        root, limits = found.root, context.keyspace.limits
        if is_made_anew(root.encoding, count, found.count, limits):
            root.encoding = made_anew(found.in_reply_order(), limits)
        found.save()
        context.changed(key, SET, b"spop")
    return set_of(context.resp3, list(map(bulk, members)))


def srandmember(context: Context, arguments: list[bytes]) -> bytes:
    if len(arguments) > 3:
        syntax_error()
    if len(arguments) == 3:
        return _pick_many(context, arguments[1], arguments[2])
    found = open_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return context.null
    return bulk(found.pick(context.keyspace.random))


def _pick_many(context: Context, key: bytes, count_text: bytes) -> bytes:
    """A negative count lets members repeat."""
    count = integer_between(count_text, -INTEGER_MAX, INTEGER_MAX)
    found = open_set(context.db, key, context.now_ms)
    if found is None or not count:
        return EMPTY_ARRAY
    random = context.keyspace.random
    if count < 0:
        check_picks(-count)
        return bulk_array(found.sample_repeating(-count, random))
    if count >= found.count:
        return bulk_array(found.in_reply_order())
    return bulk_array(found.sample(count, random))


TABLE: Final = (
    row(
        "spop", -2, "write fast", spop,
        summary="Removes members of a set, picked at random, and returns them.",
        since="1.0.0", group="set", categories="set",
        complexity="O(1), or O(N) for a count of N",
        syntax="key [count]", keys=(keys("RW access delete"),), tips=("nondeterministic_output",),
    ),
    row(
        "srandmember", -2, "readonly", srandmember,
        summary="Returns members of a set, picked at random.",
        since="1.0.0", group="set", categories="set",
        complexity="O(1), or O(N) for a count of N",
        syntax="key [count]", keys=(keys("RO access"),), tips=("nondeterministic_output",),
    ),
)  # fmt: skip
