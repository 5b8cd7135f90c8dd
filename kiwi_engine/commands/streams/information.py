"""XINFO: what a stream, its groups and their consumers are like (pure).

Redis tells of the radix tree that holds its nodes. There is none here; its keys are the nodes that
a stream of so many entries would have, and its nodes one more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from kiwi_engine.commands.arguments import NO_SUCH_KEY, integer
from kiwi_engine.commands.containers import container_handler, help_reply
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.streams.arguments import (
    entries_reply,
    entry_reply,
    group_of,
    id_reply,
    wrong_subcommand,
)
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.streams.format import NEVER, UNKNOWN_COUNT, Pending
from kiwi_engine.keyspace.streams.groups import Consumer, ConsumerGroup
from kiwi_engine.keyspace.streams.stream import Entry, Stream
from kiwi_engine.keyspace.streams.trimming import imagined
from kiwi_engine.resp.reply import array, bulk, mapping
from kiwi_engine.resp.reply import integer as integer_reply

_FULL_COUNT: Final = 10


def stream_(context: Context, words: list[bytes]) -> bytes:
    stream = _existing_stream(context, words[2])
    if len(words) == 3:
        return _stream_summary(context, stream)
    count = _parse_full(words)
    parts = [
        *_stream_facts(context, stream),
        bulk(b"entries"), entries_reply(stream.entries(count=count)),
        bulk(b"groups"),
        array(
            [_full_group(context, stream, group, count) for group in ConsumerGroup.all_of(stream)]
        ),
    ]  # fmt: skip
    return mapping(context.resp3, parts)


def groups(context: Context, words: list[bytes]) -> bytes:
    stream = _existing_stream(context, words[2])
    return array([_group_summary(context, stream, group) for group in ConsumerGroup.all_of(stream)])


def consumers(context: Context, words: list[bytes]) -> bytes:
    group = group_of(_existing_stream(context, words[2]), words[2], words[3])
    return array([_consumer_summary(context, consumer) for consumer in group.consumers()])


def _existing_stream(context: Context, key: bytes) -> Stream:
    stream = Stream.open(context.db, key, context.now_ms)
    if stream is None:
        raise ReplyError(NO_SUCH_KEY)
    return stream


def _parse_full(words: list[bytes]) -> int:
    """How many entries FULL shows of each kind; 0 is all."""
    options = [word.lower() for word in words[3:]]
    if options[0] != b"full" or len(options) not in (1, 3):
        raise wrong_subcommand("XINFO", words[1])
    if len(options) == 1:
        return _FULL_COUNT
    if options[1] != b"count":
        raise wrong_subcommand("XINFO", words[1])
    count = integer(words[5])
    return count if count >= 0 else _FULL_COUNT


def _stream_facts(context: Context, stream: Stream) -> list[bytes]:
    node_entries = imagined(context.keyspace.limits.stream_node_max_entries)
    nodes = -(-stream.length // node_entries)
    return [
        bulk(b"length"), integer_reply(stream.length),
        bulk(b"radix-tree-keys"), integer_reply(nodes),
        bulk(b"radix-tree-nodes"), integer_reply(nodes + 1),
        bulk(b"last-generated-id"), id_reply(stream.last_id),
        bulk(b"max-deleted-entry-id"), id_reply(stream.max_deleted_id),
        bulk(b"entries-added"), integer_reply(stream.added),
        bulk(b"recorded-first-entry-id"), id_reply(stream.first_id),
    ]  # fmt: skip


def _stream_summary(context: Context, stream: Stream) -> bytes:
    group_count = len(ConsumerGroup.all_of(stream))
    parts = [
        *_stream_facts(context, stream),
        bulk(b"groups"), integer_reply(group_count),
        bulk(b"first-entry"), _one_entry(context, stream.entries(count=1)),
        bulk(b"last-entry"), _one_entry(context, stream.entries(count=1, reverse=True)),
    ]  # fmt: skip
    return mapping(context.resp3, parts)


def _one_entry(context: Context, entries: Iterator[Entry]) -> bytes:
    for entry_id, fields in entries:
        return entry_reply(entry_id, fields)
    return context.null


def _reading(context: Context, stream: Stream, group: ConsumerGroup) -> list[bytes]:
    """How far a group has come."""
    entries_read, lag = group.entries_read, stream.lag(group.last_id, group.entries_read)
    return [
        bulk(b"last-delivered-id"), id_reply(group.last_id),
        bulk(b"entries-read"),
        context.null if entries_read == UNKNOWN_COUNT else integer_reply(entries_read),
        bulk(b"lag"), context.null if lag is None else integer_reply(lag),
    ]  # fmt: skip


def _group_summary(context: Context, stream: Stream, group: ConsumerGroup) -> bytes:
    parts = [
        bulk(b"name"), bulk(group.name),
        bulk(b"consumers"), integer_reply(group.consumer_count),
        bulk(b"pending"), integer_reply(group.pending_count),
        *_reading(context, stream, group),
    ]  # fmt: skip
    return mapping(context.resp3, parts)


def _consumer_summary(context: Context, consumer: Consumer) -> bytes:
    now_ms, active_ms = context.now_ms, consumer.active_ms
    inactive_ms = NEVER if active_ms == NEVER else now_ms - active_ms
    parts = [
        bulk(b"name"), bulk(consumer.name),
        bulk(b"pending"), integer_reply(consumer.pending),
        bulk(b"idle"), integer_reply(max(0, now_ms - consumer.seen_ms)),
        bulk(b"inactive"), integer_reply(inactive_ms),
    ]  # fmt: skip
    return mapping(context.resp3, parts)


def _full_group(context: Context, stream: Stream, group: ConsumerGroup, count: int) -> bytes:
    parts = [
        bulk(b"name"), bulk(group.name),
        *_reading(context, stream, group),
        bulk(b"pel-count"), integer_reply(group.pending_count),
        bulk(b"pending"), _pending_list(group.all_pending(), count, shows_owner=True),
        bulk(b"consumers"),
        array([_full_consumer(context, group, one, count) for one in group.consumers()]),
    ]  # fmt: skip
    return mapping(context.resp3, parts)


def _full_consumer(context: Context, group: ConsumerGroup, consumer: Consumer, count: int) -> bytes:
    parts = [
        bulk(b"name"), bulk(consumer.name),
        bulk(b"seen-time"), integer_reply(consumer.seen_ms),
        bulk(b"active-time"), integer_reply(consumer.active_ms),
        bulk(b"pel-count"), integer_reply(consumer.pending),
        bulk(b"pending"), _pending_list(group.owned(consumer), count, shows_owner=False),
    ]  # fmt: skip
    return mapping(context.resp3, parts)


def _pending_list(found: Iterable[Pending], count: int, *, shows_owner: bool) -> bytes:
    return array(
        [
            array(
                [
                    id_reply(pending.entry_id),
                    *([bulk(pending.consumer)] if shows_owner else []),
                    integer_reply(pending.delivered_ms),
                    integer_reply(pending.deliveries),
                ]
            )
            for pending in islice(found, count or None)
        ]
    )


def help_(_context: Context, _words: list[bytes]) -> bytes:
    return help_reply(
        "xinfo",
        (
            "CONSUMERS <key> <group>",
            "    Shows the consumers of a group.",
            "GROUPS <key>",
            "    Shows the groups of a stream.",
            "STREAM <key> [FULL [COUNT <count>]]",
            "    Shows a stream, with FULL its entries and groups as well.",
        ),
    )


_SUBCOMMANDS: Final = (
    row(
        "stream", -3, "readonly", stream_,
        summary="Tells what a stream is like.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the number of groups; with FULL, of what is shown",
        syntax="key [FULL [COUNT count]]", keys=(keys("RO access", first=2),),
    ),
    row(
        "groups", 3, "readonly", groups,
        summary="Lists the consumer groups of a stream.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the number of groups",
        syntax="key", keys=(keys("RO access", first=2),),
    ),
    row(
        "consumers", 4, "readonly", consumers,
        summary="Lists the consumers of a group.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the number of consumers",
        syntax="key group", keys=(keys("RO access", first=2),),
        tips=("nondeterministic_output",),
    ),
    row(
        "help", 2, "loading stale", help_,
        summary="Explains the subcommands.",
        since="5.0.0", group="stream", categories="stream",
    ),
)  # fmt: skip

TABLE: Final = (
    row(
        "xinfo", -2, "", container_handler("xinfo", _SUBCOMMANDS),
        summary="Tells about streams, groups and consumers.",
        since="5.0.0", group="stream", complexity="that of the subcommand",
        subcommands=_SUBCOMMANDS,
    ),
)  # fmt: skip
