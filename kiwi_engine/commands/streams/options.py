"""The options that XADD and XTRIM have in front of their other arguments (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.streams.arguments import parse_id, parse_new_id
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.streams.trimming import Trim, default_limit

_AUTOMATIC: Final = b"*"
_STRATEGIES: Final = (b"maxlen", b"minid")
_TWO_STRATEGIES: Final = (
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
)
_NO_STRATEGY: Final = (
    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
)


class NewId(NamedTuple):
    """The ID that XADD asks for; without `has_sequence` only its milliseconds count."""

    entry_id: int
    has_sequence: bool


class Options(NamedTuple):
    """`fields_at`: where the fields of XADD begin. `new_id` None: the stream chooses it."""

    trim: Trim | None = None
    creates: bool = True
    new_id: NewId | None = None
    fields_at: int = 0


# XADD key * ...
PLAIN: Final = Options(fields_at=3)


def parse_options(words: list[bytes], *, is_add: bool, node_entries: int) -> Options:
    """What stands between the key and the fields; `node_entries` sets the default LIMIT."""
    creates, new_id = True, None
    trim: Trim | None = None
    limit: int | None = None
    at = 2
    while at < len(words):
        word, is_last = words[at].lower(), at + 1 == len(words)
        at += 1
        if is_add and word == _AUTOMATIC:
            break
        if word in _STRATEGIES and not is_last:
            if trim is not None:
                raise ReplyError(_TWO_STRATEGIES)
            trim, at = _strategy(words, word, at)
        elif word == b"limit" and not is_last:
            limit = _not_negative(words[at], "LIMIT")
            at += 1
        elif is_add and word == b"nomkstream":
            creates = False
        elif is_add:
            new_id = NewId(*parse_new_id(words[at - 1]))
            break
        else:
            syntax_error()
    else:
        at += 1  # XADD without an ID: there are no fields either
    return Options(_limited(trim, limit, is_add, node_entries), creates, new_id, at)


def _strategy(words: list[bytes], kind: bytes, at: int) -> tuple[Trim, int]:
    """What MAXLEN or MINID say, and where the next word is."""
    sign = words[at] if at + 1 < len(words) else b""
    if sign in (b"~", b"="):
        at += 1
    is_approximate = sign == b"~"
    if kind == b"minid":
        return Trim(None, parse_id(words[at]), is_approximate), at + 1
    return Trim(_not_negative(words[at], "MAXLEN"), 0, is_approximate), at + 1


def _not_negative(text: bytes, option: str) -> int:
    number = integer(text)
    if number < 0:
        raise ReplyError(f"ERR The {option} argument must be >= 0.")
    return number


def _limited(trim: Trim | None, limit: int | None, is_add: bool, node_entries: int) -> Trim | None:
    """The trimming with its limit, which only an approximate one has."""
    if trim is None:
        if limit:
            raise ReplyError(_NO_STRATEGY)
        if not is_add:
            raise ReplyError("ERR syntax error, XTRIM must be called with a trimming strategy")
    if trim is None or not trim.approximate:
        if limit is not None:
            raise ReplyError("ERR syntax error, LIMIT cannot be used without the special ~ option")
        return trim
    limit = default_limit(node_entries) if limit is None else limit
    return Trim(trim.length_max, trim.id_min, True, limit)
