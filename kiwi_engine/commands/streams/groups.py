"""Consumer groups: making them, acknowledging, and what is pending (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.containers import container_handler, help_reply
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.streams.arguments import (
    CONSUMER_CREATED,
    existing_group,
    group_of,
    id_reply,
    parse_count,
    parse_high,
    parse_id,
    parse_low,
    parse_open_id,
    wrong_subcommand,
)
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.observation import SILENT, STREAM
from kiwi_engine.keyspace.streams.format import UNKNOWN_COUNT, Pending
from kiwi_engine.keyspace.streams.groups import ConsumerGroup
from kiwi_engine.keyspace.streams.stream import Stream
from kiwi_engine.resp.reply import OK, ONE, ZERO, array, bulk, null_array
from kiwi_engine.resp.reply import integer as integer_reply

_NO_KEY: Final = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
    "use the MKSTREAM option to create an empty stream automatically."
)
# An option may be repeated, as long as the command is no longer than with all of them.
_CREATE_WORDS_MAX: Final = 8
_SETID_WORDS_MAX: Final = 7


class CreateOptions(NamedTuple):
    makes_stream: bool
    entries_read: int


def create(context: Context, words: list[bytes]) -> bytes:
    options = _parse_options(words, may_make_stream=True)
    key, name = words[2], words[3]
    stream = Stream.open(context.db, key, context.now_ms)
    if stream is None and not options.makes_stream:
        raise ReplyError(_NO_KEY)
    if len(words) > _CREATE_WORDS_MAX:
        raise wrong_subcommand("XGROUP", words[1])
    last_id = None if words[4] == b"$" else parse_id(words[4])
    if stream is None:
        stream = Stream.create(context.db, key)
        stream.save()
        context.changed(key, SILENT, b"")
    elif ConsumerGroup.open(stream, name) is not None:
        raise ReplyError("BUSYGROUP Consumer Group name already exists")
    last_id = stream.last_id if last_id is None else last_id
    ConsumerGroup.create(stream, name, last_id, options.entries_read).save()
    context.noted(key, STREAM, b"xgroup-create")
    return OK


def setid(context: Context, words: list[bytes]) -> bytes:
    options = _parse_options(words, may_make_stream=False)
    stream = _existing_stream(context, words[2])
    group = group_of(stream, words[2], words[3])
    if len(words) > _SETID_WORDS_MAX:
        raise wrong_subcommand("XGROUP", words[1])
    group.last_id = stream.last_id if words[4] == b"$" else parse_open_id(words[4])
    group.entries_read = options.entries_read
    group.save()
    context.noted(words[2], STREAM, b"xgroup-setid")
    return OK


def destroy(context: Context, words: list[bytes]) -> bytes:
    stream = _existing_stream(context, words[2])
    group = ConsumerGroup.open(stream, words[3])
    if group is None:
        return ZERO
    group.destroy()
    context.noted(words[2], STREAM, b"xgroup-destroy")
    return ONE


def createconsumer(context: Context, words: list[bytes]) -> bytes:
    group = group_of(_existing_stream(context, words[2]), words[2], words[3])
    if group.consumer(words[4]) is not None:
        return ZERO
    group.create_consumer(words[4], context.now_ms)
    group.save()
    context.noted(words[2], STREAM, CONSUMER_CREATED)
    return ONE


def delconsumer(context: Context, words: list[bytes]) -> bytes:
    group = group_of(_existing_stream(context, words[2]), words[2], words[3])
    consumer = group.consumer(words[4])
    if consumer is None:
        return ZERO
    group.remove_consumer(consumer)
    group.save()
    context.noted(words[2], STREAM, b"xgroup-delconsumer")
    return integer_reply(consumer.pending)


def _existing_stream(context: Context, key: bytes) -> Stream:
    stream = Stream.open(context.db, key, context.now_ms)
    if stream is None:
        raise ReplyError(_NO_KEY)
    return stream


def _parse_options(words: list[bytes], *, may_make_stream: bool) -> CreateOptions:
    """What follows the ID in XGROUP CREATE and SETID."""
    makes_stream, entries_read = False, UNKNOWN_COUNT
    at = 5
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word == b"mkstream" and may_make_stream:
            makes_stream = True
        elif word == b"entriesread" and at < len(words):
            entries_read = integer(words[at])
            if entries_read < 0 and entries_read != UNKNOWN_COUNT:
                raise ReplyError("ERR value for ENTRIESREAD must be positive or -1")
            at += 1
        else:
            raise wrong_subcommand("XGROUP", words[1])
    return CreateOptions(makes_stream, entries_read)


def xack(context: Context, words: list[bytes]) -> bytes:
    stream = Stream.open(context.db, words[1], context.now_ms)
    group = None if stream is None else ConsumerGroup.open(stream, words[2])
    if group is None:
        return ZERO
    count = 0
    for entry_id in [parse_id(word) for word in words[3:]]:
        pending = group.pending(entry_id)
        if pending is not None:
            group.forget(pending)
            count += 1
    if count:
        group.save()
    return integer_reply(count)


class PendingRange(NamedTuple):
    """Which pending entries XPENDING is asked for, and how many of them at most."""

    low: int
    high: int
    count_max: int
    idle_min_ms: int
    consumer: bytes | None


def xpending(context: Context, words: list[bytes]) -> bytes:
    wanted = None if len(words) == 3 else _parse_pending_range(words)
    _, group = existing_group(context, words[1], words[2])
    if wanted is None:
        return _pending_summary(context, group)
    found = _pending_between(group, wanted)
    now_ms = context.now_ms
    if wanted.idle_min_ms:
        found = (one for one in found if now_ms - one.delivered_ms >= wanted.idle_min_ms)
    return array([_pending_reply(one, now_ms) for one in islice(found, wanted.count_max)])


def _pending_between(group: ConsumerGroup, wanted: PendingRange) -> Iterator[Pending]:
    if wanted.consumer is None:
        return group.all_pending(wanted.low, wanted.high)
    consumer = group.consumer(wanted.consumer)
    return iter(()) if consumer is None else group.owned(consumer, wanted.low, wanted.high)


def _parse_pending_range(words: list[bytes]) -> PendingRange:
    if not 6 <= len(words) <= 9:
        syntax_error()
    at, idle_min_ms = 3, 0
    if words[3].lower() == b"idle":
        idle_min_ms = integer(words[4])
        if len(words) < 8:
            syntax_error()
        at = 5
    count = parse_count(words[at + 2])
    low, high = parse_low(words[at]), parse_high(words[at + 1])
    consumer = words[at + 3] if at + 3 < len(words) else None
    return PendingRange(low, high, count, idle_min_ms, consumer)


def _pending_summary(context: Context, group: ConsumerGroup) -> bytes:
    """Count, lowest and greatest ID, and how many each consumer owns."""
    ends = group.pending_ends()
    if ends is None:
        return array([ZERO, context.null, context.null, null_array(context.resp3)])
    owners = [
        array([bulk(consumer.name), bulk(b"%d" % consumer.pending)])
        for consumer in group.consumers()
        if consumer.pending
    ]
    count = integer_reply(group.pending_count)
    return array([count, *map(id_reply, ends), array(owners)])


def _pending_reply(pending: Pending, now_ms: int) -> bytes:
    idle_ms = max(0, now_ms - pending.delivered_ms)
    return array(
        [
            id_reply(pending.entry_id),
            bulk(pending.consumer),
            integer_reply(idle_ms),
            integer_reply(pending.deliveries),
        ]
    )


def help_(_context: Context, _words: list[bytes]) -> bytes:
    return help_reply(
        "xgroup",
        (
            "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
            "    Makes a group that reads on from an ID, and the stream if MKSTREAM says so.",
            "CREATECONSUMER <key> <group> <consumer>",
            "    Makes a consumer, which reading would do as well.",
            "DELCONSUMER <key> <group> <consumer>",
            "    Removes a consumer and forgets what it has not acknowledged.",
            "DESTROY <key> <group>",
            "    Removes a group.",
            "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
            "    Lets a group read on from another ID.",
        ),
    )


_SUBCOMMANDS: Final = (
    row(
        "create", -5, "write denyoom", create,
        summary="Makes a consumer group.",
        since="5.0.0", group="stream", categories="stream",
        syntax="key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
        keys=(keys("RW insert", first=2),),
    ),
    row(
        "createconsumer", 5, "write denyoom", createconsumer,
        summary="Makes a consumer in a group.",
        since="6.2.0", group="stream", categories="stream",
        syntax="key group consumer", keys=(keys("RW insert", first=2),),
    ),
    row(
        "delconsumer", 5, "write", delconsumer,
        summary="Removes a consumer from a group.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the entries that the consumer has not acknowledged",
        syntax="key group consumer", keys=(keys("RW delete", first=2),),
    ),
    row(
        "destroy", 4, "write", destroy,
        summary="Removes a consumer group.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the entries that its consumers have not acknowledged",
        syntax="key group", keys=(keys("RW delete", first=2),),
    ),
    row(
        "setid", -5, "write", setid,
        summary="Sets how far a consumer group has read.",
        since="5.0.0", group="stream", categories="stream",
        syntax="key group <id | $> [ENTRIESREAD entries-read]",
        keys=(keys("RW update", first=2),),
    ),
    row(
        "help", 2, "loading stale", help_,
        summary="Explains the subcommands.",
        since="5.0.0", group="stream", categories="stream",
    ),
)  # fmt: skip

TABLE: Final = (
    row(
        "xgroup", -2, "", container_handler("xgroup", _SUBCOMMANDS),
        summary="Makes, changes and removes consumer groups.",
        since="5.0.0", group="stream", complexity="that of the subcommand",
        subcommands=_SUBCOMMANDS,
    ),
    row(
        "xack", -4, "write fast", xack,
        summary="Acknowledges entries that a group was delivered.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the number of IDs",
        syntax="key group id [id ...]", keys=(keys("RW update"),),
    ),
    row(
        "xpending", -3, "readonly", xpending,
        summary="Tells which entries were delivered and not acknowledged.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the entries returned and those that are not idle enough",
        syntax="key group [[IDLE min-idle-time] start end count [consumer]]",
        keys=(keys("RO access"),), tips=("nondeterministic_output",),
    ),
)  # fmt: skip
