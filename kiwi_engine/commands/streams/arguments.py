"""What the stream commands have in common: IDs in arguments and replies, options, errors (pure).

The texts are those of Redis 7.2, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from kiwi_engine.commands.arguments import integer
from kiwi_engine.commands.context import Context
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.streams.format import (
    ID_MAX,
    SEQUENCE_BITS,
    SEQUENCE_MAX,
    join_id,
)
from kiwi_engine.keyspace.streams.groups import ConsumerGroup
from kiwi_engine.keyspace.streams.stream import Entry, Stream
from kiwi_engine.resp.reply import bulk_array

# The event of a new consumer, whatever command made it.
CONSUMER_CREATED: Final = b"xgroup-createconsumer"
_INVALID_ID: Final = "ERR Invalid stream ID specified as stream command argument"
_ID_TEXT_MAX: Final = 127
# What C's strtoull reads as a whole; Redis falls back on it where a number is not canonical.
_LENIENT: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")
_NEGATIVE: Final = re.compile(rb"-[1-9][0-9]*")


def parse_id(text: bytes, missing_sequence: int = 0) -> int:
    """An ID, complete or only its milliseconds; `-` and `+` are none."""
    milliseconds, dash, sequence = _c_string(text).partition(b"-")
    return join_id(_number(milliseconds), _number(sequence) if dash else missing_sequence)


def parse_open_id(text: bytes, missing_sequence: int = 0) -> int:
    """As `parse_id`, but `-` is the lowest ID and `+` the greatest."""
    if text == b"-":
        return 0
    return ID_MAX if text == b"+" else parse_id(text, missing_sequence)


def parse_low(text: bytes) -> int:
    """The lower end of a range; `(` excludes the ID behind it."""
    if text[:1] != b"(" or len(text) == 1:
        return parse_open_id(text)
    excluded = parse_id(text[1:])
    if excluded == ID_MAX:
        raise ReplyError("ERR invalid start ID for the interval")
    return excluded + 1


def parse_high(text: bytes) -> int:
    """The upper end of a range; `(` excludes the ID behind it."""
    if text[:1] != b"(" or len(text) == 1:
        return parse_open_id(text, SEQUENCE_MAX)
    excluded = parse_id(text[1:], SEQUENCE_MAX)
    if excluded == 0:
        raise ReplyError("ERR invalid end ID for the interval")
    return excluded - 1


def parse_new_id(text: bytes) -> tuple[int, bool]:
    """The ID that XADD is given, and whether its sequence is (`5-*` leaves that to the stream)."""
    if text[-2:] == b"-*":
        return _number(text[:-2]) << SEQUENCE_BITS, False
    return parse_id(text), True


def parse_count(text: bytes) -> int:
    """How many entries are wanted; a negative number counts as 0."""
    return max(0, integer(text))


def _number(text: bytes) -> int:
    """An unsigned number of 64 bits (`string2ull` in Redis)."""
    if text.isdigit() and len(text) < 20:
        return int(text)
    match = _LENIENT.fullmatch(text)
    if match is None or len(text) > _ID_TEXT_MAX or _NEGATIVE.fullmatch(text):
        raise ReplyError(_INVALID_ID)
    number = int(match[2])
    if number > SEQUENCE_MAX:
        raise ReplyError(_INVALID_ID)
    return -number % (SEQUENCE_MAX + 1) if match[1] == b"-" else number


def _c_string(text: bytes) -> bytes:
    """What C sees of an ID: up to the first NUL."""
    if len(text) > _ID_TEXT_MAX:
        raise ReplyError(_INVALID_ID)
    return text.partition(b"\x00")[0]


def id_text(entry_id: int) -> bytes:
    """An ID as it is written."""
    return b"%d-%d" % (entry_id >> SEQUENCE_BITS, entry_id & SEQUENCE_MAX)


def id_reply(entry_id: int) -> bytes:
    """An ID as a reply."""
    text = id_text(entry_id)
    return b"$%d\r\n%b\r\n" % (len(text), text)


def entry_reply(entry_id: int, fields: Iterable[bytes]) -> bytes:
    """An entry as a reply: its ID, and its fields and values in turn."""
    return b"*2\r\n" + id_reply(entry_id) + bulk_array(fields)


def entries_reply(entries: Iterable[Entry]) -> bytes:
    """Entries as a reply."""
    parts = [entry_reply(entry_id, fields) for entry_id, fields in entries]
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def shown(word: bytes) -> str:
    """A word of the client inside an error: up to its first NUL, as C's `%s` prints it."""
    return word.partition(b"\x00")[0].decode("utf-8", "surrogateescape")


def existing_group(
    context: Context, key: bytes, name: bytes, where: str = ""
) -> tuple[Stream, ConsumerGroup]:
    """A stream and its group; one error tells that either is missing, `where` ends it."""
    stream = Stream.open(context.db, key, context.now_ms)
    group = None if stream is None else ConsumerGroup.open(stream, name)
    if stream is None or group is None:
        raise ReplyError(
            f"NOGROUP No such key '{shown(key)}' or consumer group '{shown(name)}'{where}"
        )
    return stream, group


def group_of(stream: Stream, key: bytes, name: bytes) -> ConsumerGroup:
    """The group of a stream that exists."""
    group = ConsumerGroup.open(stream, name)
    if group is None:
        raise ReplyError(
            f"NOGROUP No such consumer group '{shown(name)}' for key name '{shown(key)}'"
        )
    return group


def wrong_subcommand(container: str, word: bytes) -> ReplyError:
    """The arguments of a subcommand do not fit it."""
    return ReplyError(
        f"ERR unknown subcommand or wrong number of arguments for '{shown(word)[:128]}'. "
        f"Try {container} HELP."
    )
