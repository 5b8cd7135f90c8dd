"""Commands that the network runtime answers, as scripts may call them (pure).

Inside a script they are answered where the script runs. A message that a script publishes leaves as
an event, once the script's changes are durable.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.channel.events import Published
from kiwi_engine.clock import wall_us
from kiwi_engine.commands.arguments import integer, integer_between
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.table import Handler
from kiwi_engine.commands.timeouts import parse_milliseconds
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX, to_integer
from kiwi_engine.resp import reply


def ping(context: Context, words: list[bytes]) -> bytes:
    if len(words) > 2:
        raise ReplyError("ERR wrong number of arguments for 'ping' command")
    return reply.bulk(words[1]) if len(words) == 2 else reply.PONG


def echo(context: Context, words: list[bytes]) -> bytes:
    return reply.bulk(words[1])


def time_(context: Context, words: list[bytes]) -> bytes:
    """Seconds since the Unix epoch, and the microseconds of the current one.

    The clock stands still while a script runs, from when it first asked.
    """
    if not context.asked_us:
        context.asked_us = wall_us()
    seconds, microseconds = divmod(context.asked_us, 1_000_000)
    return reply.bulk_array([b"%d" % seconds, b"%d" % microseconds])


def select(context: Context, words: list[bytes]) -> bytes:
    """Holds for the rest of the script."""
    index = to_integer(words[1])
    if index is None:
        raise ReplyError("ERR value is not an integer or out of range")
    if not 0 <= index < context.keyspace.database_count:
        raise ReplyError("ERR DB index is out of range")
    context.db = context.keyspace.database(index)
    return reply.OK


def publish(context: Context, words: list[bytes]) -> bytes:
    return _publish(context, Published(words[1], words[2]))


def spublish(context: Context, words: list[bytes]) -> bytes:
    return _publish(context, Published(words[1], words[2], is_sharded=True))


def _publish(context: Context, event: Published) -> bytes:
    """Sent even if nobody is known to listen: who has just subscribed gets it, too."""
    executor = context.executor
    assert executor is not None, "scripts are run by an executor"
    executor.emit(event)
    return reply.integer(executor.subscribers.receivers(event.channel, event.is_sharded))


def wait(context: Context, words: list[bytes]) -> bytes:
    """As if its time had passed: no replica has anything."""
    integer(words[1])
    parse_milliseconds(words[2], context.now_ms)
    return reply.ZERO


def waitaof(context: Context, words: list[bytes]) -> bytes:
    """Likewise: what was written a moment ago is not synced yet."""
    integer_between(words[1], 0, 1)
    integer_between(words[2], 0, INTEGER_MAX, "ERR value is out of range, must be positive")
    parse_milliseconds(words[3], context.now_ms)
    return reply.array((reply.ZERO, reply.ZERO))


NESTED: Final[dict[str, Handler]] = {
    "wait": wait,
    "waitaof": waitaof,
    "ping": ping,
    "echo": echo,
    "time": time_,
    "select": select,
    "publish": publish,
    "spublish": spublish,
}
