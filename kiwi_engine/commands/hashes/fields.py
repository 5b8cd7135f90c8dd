"""The hash commands on fields and whole hashes (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import wrong_arity
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.keyspace.hashes.opening import open_hash, open_or_new
from kiwi_engine.keyspace.observation import HASH
from kiwi_engine.resp.reply import EMPTY_ARRAY, OK, ONE, ZERO, array, bulk, bulk_array, mapping
from kiwi_engine.resp.reply import integer as integer_reply


def hset(context: Context, arguments: list[bytes]) -> bytes:
    return integer_reply(_set_pairs(context, arguments, "hset"))


def hmset(context: Context, arguments: list[bytes]) -> bytes:
    _set_pairs(context, arguments, "hmset")
    return OK


def _set_pairs(context: Context, arguments: list[bytes], command: str) -> int:
    """Set the fields that follow the key; how many of them are new."""
    if len(arguments) % 2:
        raise wrong_arity(command)
    fields = arguments[2::2]
    found = open_or_new(context.db, arguments[1], context.now_ms)
    found.expect(len(fields))
    found.prefetch(fields)
    created = sum(map(found.set, fields, arguments[3::2]))
    found.save()
    if context.observer is not None:
        context.changed(arguments[1], HASH, b"hset")
    return created


def hsetnx(context: Context, arguments: list[bytes]) -> bytes:
    _, key, field, value = arguments
    found = open_or_new(context.db, key, context.now_ms)
    if found.has(field):
        return ZERO
    found.expect(1)
    found.set(field, value)
    found.save()
    context.changed(key, HASH, b"hset")
    return ONE


def hget(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    value = None if found is None else found.get(arguments[2])
    return context.null if value is None else bulk(value)


def hmget(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    fields = arguments[2:]
    if found is None:
        return array([context.null] * len(fields))
    found.prefetch(fields)
    values = map(found.get, fields)
    return array([context.null if value is None else bulk(value) for value in values])


def hgetall(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    items = () if found is None else found.items()
    return mapping(context.resp3, [bulk(word) for pair in items for word in pair])


def hkeys(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    return EMPTY_ARRAY if found is None else bulk_array(found.fields())


def hvals(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    return EMPTY_ARRAY if found is None else bulk_array(value for _, value in found.items())


def hdel(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    if found is None:
        return ZERO
    fields = arguments[2:]
    found.prefetch(fields)
    deleted = sum(map(found.delete, fields))
    if deleted:
        found.save()
        context.shrunk(arguments[1], HASH, b"hdel", found.stored_count)
    return integer_reply(deleted)


def hexists(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    return ONE if found is not None and found.has(arguments[2]) else ZERO


def hlen(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    return ZERO if found is None else integer_reply(found.count_at_most)


def hstrlen(context: Context, arguments: list[bytes]) -> bytes:
    found = open_hash(context.db, arguments[1], context.now_ms)
    value = None if found is None else found.get(arguments[2])
    return ZERO if value is None else integer_reply(len(value))


_READ: Final = (keys("RO access"),)
_WHOLE: Final = "O(N), N being the number of fields"
_UNORDERED: Final = ("nondeterministic_output_order",)

TABLE: Final = (
    row(
        "hset", -4, "write denyoom fast", hset,
        summary="Sets fields of a hash, which it creates if need be.",
        since="2.0.0", group="hash", categories="hash",
        complexity="O(1) for each field",
        syntax="key field value [field value ...]", keys=(keys("RW update"),),
    ),
    row(
        "hmset", -4, "write denyoom fast", hmset,
        summary="Sets fields of a hash; HSET does the same and says how many were new.",
        since="2.0.0", group="hash", categories="hash",
        complexity="O(1) for each field",
        syntax="key field value [field value ...]", keys=(keys("RW update"),),
    ),
    row(
        "hsetnx", 4, "write denyoom fast", hsetnx,
        summary="Sets a field of a hash that does not exist yet.",
        since="2.0.0", group="hash", categories="hash",
        syntax="key field value", keys=(keys("RW insert"),),
    ),
    row(
        "hget", 3, "readonly fast", hget,
        summary="Returns the value of a field of a hash.",
        since="2.0.0", group="hash", categories="hash",
        syntax="key field", keys=_READ,
    ),
    row(
        "hmget", -3, "readonly fast", hmget,
        summary="Returns the values of several fields of a hash.",
        since="2.0.0", group="hash", categories="hash",
        complexity="O(1) for each field",
        syntax="key field [field ...]", keys=_READ,
    ),
    row(
        "hgetall", 2, "readonly", hgetall,
        summary="Returns all fields of a hash with their values.",
        since="2.0.0", group="hash", categories="hash", complexity=_WHOLE,
        syntax="key", keys=_READ, tips=_UNORDERED,
    ),
    row(
        "hkeys", 2, "readonly", hkeys,
        summary="Returns all fields of a hash.",
        since="2.0.0", group="hash", categories="hash", complexity=_WHOLE,
        syntax="key", keys=_READ, tips=_UNORDERED,
    ),
    row(
        "hvals", 2, "readonly", hvals,
        summary="Returns the values of all fields of a hash.",
        since="2.0.0", group="hash", categories="hash", complexity=_WHOLE,
        syntax="key", keys=_READ, tips=_UNORDERED,
    ),
    row(
        "hdel", -3, "write fast", hdel,
        summary="Deletes fields of a hash, and the hash with its last one.",
        since="2.0.0", group="hash", categories="hash",
        complexity="O(1) for each field",
        syntax="key field [field ...]", keys=(keys("RW delete"),),
    ),
    row(
        "hexists", 3, "readonly fast", hexists,
        summary="Tells whether a hash has a field.",
        since="2.0.0", group="hash", categories="hash",
        syntax="key field", keys=(keys("RO"),),
    ),
    row(
        "hlen", 2, "readonly fast", hlen,
        summary="Returns the number of fields of a hash.",
        since="2.0.0", group="hash", categories="hash",
        complexity="O(1), or O(N) for up to 10,000 expired fields that are not removed yet",
        syntax="key", keys=(keys("RO"),),
    ),
    row(
        "hstrlen", 3, "readonly fast", hstrlen,
        summary="Returns the length of the value of a field of a hash.",
        since="3.2.0", group="hash", categories="hash",
        syntax="key field", keys=(keys("RO"),),
    ),
)  # fmt: skip
