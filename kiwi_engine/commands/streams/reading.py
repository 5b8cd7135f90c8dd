"""XREAD and XREADGROUP: what several streams have to tell from some IDs on (pure).

Both find every mistake before they change anything. With BLOCK they wait where they may. Who waits
asks again: XREAD from the IDs that were the ends of the streams the first time, because `$` would
be later ones by then; XREADGROUP with its words, because `>` stays true.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import syntax_error
from kiwi_engine.commands.blocking import WouldBlock
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keyword_keys, row
from kiwi_engine.commands.streams.arguments import (
    CONSUMER_CREATED,
    entries_reply,
    entry_reply,
    existing_group,
    id_reply,
    id_text,
    parse_count,
    parse_id,
)
from kiwi_engine.commands.timeouts import parse_milliseconds
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.encoding import STREAM_KIND
from kiwi_engine.keyspace.observation import STREAM
from kiwi_engine.keyspace.streams.format import ID_MAX, Pending
from kiwi_engine.keyspace.streams.groups import Consumer
from kiwi_engine.keyspace.streams.stream import Stream
from kiwi_engine.resp.reply import array, bulk, null_array

# A consumer that asks in vain is seen all the same, but so often at most: it costs a write.
SEEN_EVERY_MS: Final = 1000
# `>`: what no consumer of the group has got yet. In Redis, too, the greatest ID says the same.
UNREAD: Final = ID_MAX
_DOLLAR_OR_PLUS: Final = (
    "ERR The {0} ID is meaningless in the context of XREADGROUP: you want to read the history of "
    "this consumer by specifying a proper ID, or use the > ID to get new messages. The {0} ID "
    "would just return an empty result set."
)


class Request(NamedTuple):
    """The words of a command; `count_max` 0 is no limit, `block_ms` None: it does not wait."""

    keys: list[bytes]
    texts: list[bytes]
    count_max: int
    block_ms: int | None
    group: bytes | None
    consumer: bytes
    keeps_no_pending: bool


class Position(NamedTuple):
    """Wanted is what comes after `after` in the stream at `key`."""

    key: bytes
    after: int


def xread(context: Context, words: list[bytes]) -> bytes:
    request = _parse(words, context.now_ms, is_group=False)
    pairs = zip(request.keys, request.texts, strict=True)
    positions = [Position(key, _resolve(context, key, text)) for key, text in pairs]
    found = _read_now(context, request, positions)
    if found is not None or request.block_ms is None or not context.may_block:
        return found or null_array(context.resp3)
    again = words[: -len(positions)] + [id_text(after) for _, after in positions]
    keys = tuple(request.keys)
    raise WouldBlock(again, keys, STREAM_KIND, request.block_ms, null_array(context.resp3))


def xreadgroup(context: Context, words: list[bytes]) -> bytes:
    request = _parse(words, context.now_ms, is_group=True)
    # One for each key: where a key is named twice, the second time sees what the first one did.
    deliveries: dict[bytes, _Delivery] = {}
    positions = []
    for key, text in zip(request.keys, request.texts, strict=True):
        if key not in deliveries:
            deliveries[key] = _Delivery(context, request, key)
        positions.append(Position(key, _unread_or_history(text)))
    parts = []
    for key, after in positions:
        delivery = deliveries[key]
        shown = delivery.unread() if after == UNREAD else delivery.history(after)
        if shown is not None:
            parts.append((key, shown))
    if parts or request.block_ms is None or not context.may_block:
        return _by_key(context, parts) if parts else null_array(context.resp3)
    keys = tuple(request.keys)
    raise WouldBlock(
        words,
        keys,
        STREAM_KIND,
        request.block_ms,
        null_array(context.resp3),
        unblocks_without_key=True,
        # What is left for one consumer of the group is left for each of them.
        alike=(request.group, keys),
    )


def _read_now(context: Context, request: Request, positions: list[Position]) -> bytes | None:
    """The entries of XREAD, or None if there are none now."""
    parts = []
    for key, after in positions:
        stream = Stream.open(context.db, key, context.now_ms)
        if stream is not None and after < stream.last_id:
            entries = list(stream.entries(after + 1, count=request.count_max))
            if entries:
                parts.append((key, entries_reply(entries)))
    return _by_key(context, parts) if parts else None


def _by_key(context: Context, parts: list[tuple[bytes, bytes]]) -> bytes:
    """A map, or pairs in RESP2; a key that was named twice comes twice."""
    if context.resp3:
        shown = b"".join(bulk(key) + entries for key, entries in parts)
        return b"%%%d\r\n%b" % (len(parts), shown)
    return array([b"*2\r\n" + bulk(key) + entries for key, entries in parts])


class _Delivery:
    """What one stream has for the consumer of a request."""

    def __init__(self, context: Context, request: Request, key: bytes) -> None:
        self._context = context
        self._request = request
        self._key = key
        self._now_ms = context.now_ms
        assert request.group is not None, "XREADGROUP has a group"
        self._stream, self._group = existing_group(
            context, key, request.group, " in XREADGROUP with GROUP option"
        )
        found = self._group.consumer(request.consumer)
        self._is_new = found is None
        self._consumer: Consumer = found or self._group.create_consumer(
            request.consumer, self._now_ms
        )

    def unread(self) -> bytes | None:
        """What nobody in the group has got yet."""
        stream, group, consumer = self._stream, self._group, self._consumer
        entries = list(stream.entries(group.last_id + 1, count=self._request.count_max))
        if not entries:
            self._saw_nothing()
            return None
        for entry_id, _ in entries:
            group.advance(stream, entry_id)
            if not self._request.keeps_no_pending:
                # It may be pending already, if XGROUP SETID has sent the group back.
                pending = Pending(entry_id, consumer.name, self._now_ms, 1)
                group.assign(pending, consumer, group.pending(entry_id))
                consumer.active_ms = self._now_ms
        self._save()
        return entries_reply(entries)

    def history(self, after: int) -> bytes:
        """What the consumer has got and not acknowledged; without fields where it was deleted."""
        group, consumer, count = self._group, self._consumer, self._request.count_max
        parts: list[bytes] = []
        for pending in group.owned(consumer, after + 1):
            fields = self._stream.fields(pending.entry_id)
            if fields is None:
                gone = null_array(self._context.resp3)
                parts.append(b"*2\r\n" + id_reply(pending.entry_id) + gone)
            else:
                again = pending._replace(
                    delivered_ms=self._now_ms, deliveries=pending.deliveries + 1
                )
                group.assign(again, consumer, pending)
                parts.append(entry_reply(pending.entry_id, fields))
            if len(parts) == count:
                break
        self._save()
        return array(parts)

    def _saw_nothing(self) -> None:
        if self._is_new or self._now_ms - self._consumer.seen_ms >= SEEN_EVERY_MS:
            self._save()

    def _save(self) -> None:
        self._consumer.seen_ms = self._now_ms
        self._group.save()
        if self._is_new:
            self._is_new = False
            self._context.noted(self._key, STREAM, CONSUMER_CREATED)


def _resolve(context: Context, key: bytes, text: bytes) -> int:
    """After which ID XREAD begins."""
    stream = Stream.open(context.db, key, context.now_ms)
    if text == b"$":
        return 0 if stream is None else stream.last_id
    if text == b"+":  # of Redis 7.4: the last entry
        newest_id = 0 if stream is None else stream.newest_id()
        return max(0, newest_id - 1)
    if text == b">":
        raise ReplyError(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
            "<consumer> option."
        )
    return parse_id(text)


def _unread_or_history(text: bytes) -> int:
    """After which ID XREADGROUP begins; `UNREAD` is where the group stands."""
    if text in (b"$", b"+"):
        raise ReplyError(_DOLLAR_OR_PLUS.format(text.decode()))
    return UNREAD if text == b">" else parse_id(text)


def _parse(words: list[bytes], now_ms: int, *, is_group: bool) -> Request:
    """The options; `STREAMS` is the last of them."""
    command = "xreadgroup" if is_group else "xread"
    count, block_ms, keeps_no_pending = 0, None, False
    group: bytes | None = None
    consumer = b""
    at = 1
    while at < len(words):
        word, left = words[at].lower(), len(words) - 1 - at
        at += 1
        if word == b"block" and left:
            block_ms = parse_milliseconds(words[at], now_ms)
            at += 1
        elif word == b"count" and left:
            count = parse_count(words[at])
            at += 1
        elif word == b"streams" and left:
            break
        elif word == b"group" and left >= 2:
            _check_is_group("GROUP", is_group)
            group, consumer = words[at : at + 2]
            at += 2
        elif word == b"noack":
            _check_is_group("NOACK", is_group)
            keeps_no_pending = True
        else:
            syntax_error()
    else:
        syntax_error()
    keys, texts = _in_halves(words[at:], command)
    if is_group and group is None:
        raise ReplyError("ERR Missing GROUP option for XREADGROUP")
    return Request(keys, texts, count, block_ms, group, consumer, keeps_no_pending)


def _in_halves(words: list[bytes], command: str) -> tuple[list[bytes], list[bytes]]:
    middle, is_odd = divmod(len(words), 2)
    if is_odd:
        symbol = ">" if command == "xreadgroup" else "$"
        raise ReplyError(
            f"ERR Unbalanced '{command}' list of streams: for each stream key an ID or '{symbol}' "
            "must be specified."
        )
    return words[:middle], words[middle:]


def _check_is_group(option: str, is_group: bool) -> None:
    if not is_group:
        raise ReplyError(
            f"ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
        )


_COMPLEXITY: Final = "O(N), N being the number of entries returned"

TABLE: Final = (
    row(
        "xread", -4, "readonly blocking movablekeys", xread,
        summary="Returns the entries of several streams from given IDs on.",
        since="5.0.0", group="stream", categories="stream", complexity=_COMPLEXITY,
        syntax="[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
        keys=(keyword_keys("RO access", "STREAMS", 1, last=-1, limit=2),),
    ),
    row(
        "xreadgroup", -7, "write blocking movablekeys", xreadgroup,
        summary="Delivers entries to a consumer of a group, or shows what it was delivered.",
        since="5.0.0", group="stream", categories="stream", complexity=_COMPLEXITY,
        syntax="GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] "
        "STREAMS key [key ...] id [id ...]",
        keys=(keyword_keys("RO access", "STREAMS", 4, last=-1, limit=2),),
    ),
)  # fmt: skip
