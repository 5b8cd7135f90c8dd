"""The commands on the entries of a stream (pure)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.commands.arguments import NO_SUCH_KEY, integer, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.errors import wrong_arity
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.streams.arguments import (
    entries_reply,
    id_reply,
    parse_count,
    parse_high,
    parse_id,
    parse_low,
)
from kiwi_engine.commands.streams.options import PLAIN, NewId, parse_options
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.observation import STREAM
from kiwi_engine.keyspace.streams.format import (
    ID_MAX,
    SEQUENCE_BITS,
    SEQUENCE_MAX,
    encode_fields,
)
from kiwi_engine.keyspace.streams.stream import Stream
from kiwi_engine.resp.reply import EMPTY_ARRAY, OK, ZERO, null_array
from kiwi_engine.resp.reply import integer as integer_reply

# What a stream of Redis takes as one entry.
ENTRY_BYTES_MAX: Final = 1 << 30


def xadd(context: Context, words: list[bytes]) -> bytes:
    options = PLAIN
    if words[2] != b"*":
        node_entries = context.keyspace.limits.stream_node_max_entries
        options = parse_options(words, is_add=True, node_entries=node_entries)
    fields = words[options.fields_at :]
    if not fields or len(fields) % 2:
        raise wrong_arity("xadd")
    if options.new_id == (0, True):
        raise ReplyError("ERR The ID specified in XADD must be greater than 0-0")
    stream = Stream.open(context.db, words[1], context.now_ms)
    if stream is None and not options.creates:
        return context.null
    last_id = 0 if stream is None else stream.last_id
    if last_id == ID_MAX:
        raise ReplyError(
            "ERR The stream has exhausted the last possible ID, unable to add more items"
        )
    entry_id = None if options.new_id is None else _wanted_id(options.new_id, last_id)
    packed = encode_fields(fields)
    if len(packed) > ENTRY_BYTES_MAX and sum(map(len, fields)) > ENTRY_BYTES_MAX:
        raise ReplyError("ERR Elements are too large to be stored")
    if stream is None:
        stream = Stream.create(context.db, words[1])
    if entry_id is None:
        entry_id = stream.next_id(context.now_ms)
    stream.add(entry_id, packed)
    trimmed = 0 if options.trim is None else stream.trim(options.trim)
    stream.save()
    context.changed(words[1], STREAM, b"xadd")
    if trimmed:
        context.changed(words[1], STREAM, b"xtrim")
    return id_reply(entry_id)


def _wanted_id(new_id: NewId, last_id: int) -> int:
    """The ID that XADD asks for, completed."""
    entry_id, has_sequence = new_id
    is_of_this_time = entry_id >> SEQUENCE_BITS == last_id >> SEQUENCE_BITS
    if not has_sequence and is_of_this_time and last_id & SEQUENCE_MAX != SEQUENCE_MAX:
        return last_id + 1
    if entry_id <= last_id:
        raise ReplyError(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item"
        )
    return entry_id


def xlen(context: Context, words: list[bytes]) -> bytes:
    return integer_reply(Stream.length_at(context.db, words[1], context.now_ms))


def xrange(context: Context, words: list[bytes]) -> bytes:
    return _range(context, words, parse_low(words[2]), parse_high(words[3]), is_reverse=False)


def xrevrange(context: Context, words: list[bytes]) -> bytes:
    return _range(context, words, parse_low(words[3]), parse_high(words[2]), is_reverse=True)


def _range(context: Context, words: list[bytes], low: int, high: int, *, is_reverse: bool) -> bytes:
    count: int | None = None
    for at in range(4, len(words), 2):
        if words[at].lower() != b"count" or at + 1 == len(words):
            syntax_error()
        count = parse_count(words[at + 1])
    stream = Stream.open(context.db, words[1], context.now_ms)
    if stream is None:
        return EMPTY_ARRAY
    if count == 0:
        return null_array(context.resp3)
    return entries_reply(stream.entries(low, high, count=count or 0, reverse=is_reverse))


def xdel(context: Context, words: list[bytes]) -> bytes:
    stream = Stream.open(context.db, words[1], context.now_ms)
    if stream is None:
        return ZERO
    count = stream.delete([parse_id(word) for word in words[2:]])
    if count:
        stream.save()
        context.changed(words[1], STREAM, b"xdel")
    return integer_reply(count)


def xtrim(context: Context, words: list[bytes]) -> bytes:
    node_entries = context.keyspace.limits.stream_node_max_entries
    trim = parse_options(words, is_add=False, node_entries=node_entries).trim
    stream = Stream.open(context.db, words[1], context.now_ms)
    if stream is None or trim is None:
        return ZERO
    count = stream.trim(trim)
    if count:
        stream.save()
        context.changed(words[1], STREAM, b"xtrim")
    return integer_reply(count)


def xsetid(context: Context, words: list[bytes]) -> bytes:
    last_id = parse_id(words[2])
    added, max_deleted_id = _parse_setid_options(words, last_id)
    stream = Stream.open(context.db, words[1], context.now_ms)
    if stream is None:
        raise ReplyError(NO_SUCH_KEY)
    if last_id < stream.max_deleted_id:
        raise ReplyError(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
        )
    if last_id < stream.newest_id():
        raise ReplyError(
            "ERR The ID specified in XSETID is smaller than the target stream top item"
        )
    if added is not None and added < stream.length:
        raise ReplyError(
            "ERR The entries_added specified in XSETID is smaller than the target stream length"
        )
    stream.last_id = last_id
    stream.added = stream.added if added is None else added
    stream.max_deleted_id = max_deleted_id or stream.max_deleted_id
    stream.save()
    context.noted(words[1], STREAM, b"xsetid")
    return OK


def _parse_setid_options(words: list[bytes], last_id: int) -> tuple[int | None, int]:
    """What ENTRIESADDED (None: not given) and MAXDELETEDID (0: not given) say."""
    added: int | None = None
    max_deleted_id = 0
    for at in range(3, len(words), 2):
        option = words[at].lower() if at + 1 < len(words) else b""
        if option == b"entriesadded":
            added = integer(words[at + 1])
            if added < 0:
                raise ReplyError("ERR entries_added must be positive")
        elif option == b"maxdeletedid":
            max_deleted_id = parse_id(words[at + 1])
            if last_id < max_deleted_id:
                raise ReplyError(
                    "ERR The ID specified in XSETID is smaller than the provided "
                    "max_deleted_entry_id"
                )
        else:
            syntax_error()
    return added, max_deleted_id


_TRIMMING: Final = "<MAXLEN | MINID> [= | ~] threshold [LIMIT count]"

TABLE: Final = (
    row(
        "xadd", -5, "write denyoom fast", xadd,
        summary="Appends an entry to a stream, which it creates if it has to.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(1), or O(N) with trimming, N being the number of entries that go",
        syntax=f"key [NOMKSTREAM] [{_TRIMMING}] <* | id> field value [field value ...]",
        keys=(keys("RW update"),), tips=("nondeterministic_output",),
    ),
    row(
        "xlen", 2, "readonly fast", xlen,
        summary="Counts the entries of a stream.",
        since="5.0.0", group="stream", categories="stream",
        syntax="key", keys=(keys("RO"),),
    ),
    row(
        "xrange", -4, "readonly", xrange,
        summary="Returns the entries of a stream between two IDs.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(log(S) + N), S being the size of the stream and N the entries returned",
        syntax="key start end [COUNT count]", keys=(keys("RO access"),),
    ),
    row(
        "xrevrange", -4, "readonly", xrevrange,
        summary="Returns the entries of a stream between two IDs, the newest first.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(log(S) + N), S being the size of the stream and N the entries returned",
        syntax="key end start [COUNT count]", keys=(keys("RO access"),),
    ),
    row(
        "xdel", -3, "write fast", xdel,
        summary="Removes single entries from a stream.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the number of IDs",
        syntax="key id [id ...]", keys=(keys("RW delete"),),
    ),
    row(
        "xtrim", -4, "write", xtrim,
        summary="Removes the oldest entries of a stream.",
        since="5.0.0", group="stream", categories="stream",
        complexity="O(N), N being the number of entries that go",
        syntax=f"key {_TRIMMING}",
        keys=(keys("RW delete"),), tips=("nondeterministic_output",),
    ),
    row(
        "xsetid", -3, "write denyoom fast", xsetid,
        summary="Sets the last ID of a stream, and what it remembers of removed entries.",
        since="5.0.0", group="stream", categories="stream",
        syntax="key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
        keys=(keys("RW update"),),
    ),
)  # fmt: skip
