"""The commands on one set, and SMOVE (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.scan import parse_cursor, parse_element_scan
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.keyspace.observation import SET
from kiwi_engine.keyspace.sets.opening import new_set, open_set
from kiwi_engine.resp.reply import ONE, ZERO, array, bulk, bulk_array, integer, set_of

EMPTY_PAGE: Final = array([bulk(b"0"), array([])])


def sadd(context: Context, arguments: list[bytes]) -> bytes:
    key, members = arguments[1], arguments[2:]
    found = open_set(context.db, key, context.now_ms)
    encoding = None
    if found is None:
        found = new_set(context.db, key, members[0], len(members))
    else:
        encoding = found.root.encoding
        found.expect(len(members))
    added = found.add_all(members)
    if added or found.root.encoding != encoding:
        found.save()
    if added and context.observer is not None:
        context.changed(key, SET, b"sadd")
    return integer(added)


def srem(context: Context, arguments: list[bytes]) -> bytes:
    found = open_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return ZERO
    removed = found.remove_all(arguments[2:])
    if removed:
        found.save()
        context.shrunk(arguments[1], SET, b"srem", found.count)
    return integer(removed)


def scard(context: Context, arguments: list[bytes]) -> bytes:
    found = open_set(context.db, arguments[1], context.now_ms)
    return ZERO if found is None else integer(found.count)


def sismember(context: Context, arguments: list[bytes]) -> bytes:
    found = open_set(context.db, arguments[1], context.now_ms)
    return ONE if found is not None and found.contains(arguments[2]) else ZERO


def smismember(context: Context, arguments: list[bytes]) -> bytes:
    found = open_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return array([ZERO] * (len(arguments) - 2))
    return array([ONE if flag else ZERO for flag in found.contains_each(arguments[2:])])


def smembers(context: Context, arguments: list[bytes]) -> bytes:
    found = open_set(context.db, arguments[1], context.now_ms)
    members = [] if found is None else found.in_reply_order()
    return set_of(context.resp3, list(map(bulk, members)))


def smove(context: Context, arguments: list[bytes]) -> bytes:
    _, source_key, target_key, member = arguments
    source = open_set(context.db, source_key, context.now_ms)
    if source is None:
        return ZERO
    target = open_set(context.db, target_key, context.now_ms)
    if source_key == target_key:
        return ONE if source.contains(member) else ZERO
    if not source.remove(member):
        return ZERO
    source.save()
    context.shrunk(source_key, SET, b"srem", source.count)
    if target is None:
        target = new_set(context.db, target_key, member, 1)
    if target.add(member):
        target.save()
        context.changed(target_key, SET, b"sadd")
    return ONE


def sscan(context: Context, arguments: list[bytes]) -> bytes:
    cursor = parse_cursor(arguments[2])
    found = open_set(context.db, arguments[1], context.now_ms)
    if found is None:
        return EMPTY_PAGE
    page_count, is_wanted = parse_element_scan(arguments[3:])
    following, members = found.scan(cursor, page_count)
    return array([bulk(b"%d" % following), bulk_array(filter(is_wanted, members))])


_PER_MEMBER: Final = "O(N), N being the number of members given"

TABLE: Final = (
    row(
        "sadd", -3, "write denyoom fast", sadd,
        summary="Adds members to a set, which is created if it does not exist.",
        since="1.0.0", group="set", categories="set", complexity=_PER_MEMBER,
        syntax="key member [member ...]", keys=(keys("RW insert"),),
    ),
    row(
        "srem", -3, "write fast", srem,
        summary="Removes members from a set; the last one takes the key with it.",
        since="1.0.0", group="set", categories="set", complexity=_PER_MEMBER,
        syntax="key member [member ...]", keys=(keys("RW delete"),),
    ),
    row(
        "scard", 2, "readonly fast", scard,
        summary="Counts the members of a set.",
        since="1.0.0", group="set", categories="set",
        syntax="key", keys=(keys("RO"),),
    ),
    row(
        "sismember", 3, "readonly fast", sismember,
        summary="Tells whether a set has a member.",
        since="1.0.0", group="set", categories="set",
        syntax="key member", keys=(keys("RO"),),
    ),
    row(
        "smismember", -3, "readonly fast", smismember,
        summary="Tells of each of several members whether a set has it.",
        since="6.2.0", group="set", categories="set", complexity=_PER_MEMBER,
        syntax="key member [member ...]", keys=(keys("RO access"),),
    ),
    row(
        "smembers", 2, "readonly", smembers,
        summary="Returns all members of a set.",
        since="1.0.0", group="set", categories="set",
        complexity="O(N), N being the number of members",
        syntax="key", keys=(keys("RO access"),), tips=("nondeterministic_output_order",),
    ),
    row(
        "smove", 4, "write fast", smove,
        summary="Moves a member from one set to another.",
        since="1.0.0", group="set", categories="set",
        syntax="source destination member",
        keys=(keys("RW access delete"), keys("RW insert", first=2)),
    ),
    row(
        "sscan", -3, "readonly", sscan,
        summary="Returns one page of the members of a set, and where to go on.",
        since="2.8.0", group="set", categories="set",
        complexity="O(1) for a page, O(N) for all of N members",
        syntax="key cursor [MATCH pattern] [COUNT count]",
        keys=(keys("RO access"),), tips=("nondeterministic_output",),
    ),
)  # fmt: skip
