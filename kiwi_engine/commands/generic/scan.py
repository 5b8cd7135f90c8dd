"""The commands that walk over a database (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace import iteration
from kiwi_engine.keyspace.glob import compile_glob
from kiwi_engine.keyspace.iteration import Filter
from kiwi_engine.resp.reply import array, bulk, bulk_array

COUNT_DEFAULT: Final = 10
CURSOR_LIMIT: Final = 2**64
# What strtoul takes whole: Redis reads a cursor with it, zeros and a sign in front included.
_CURSOR: Final = re.compile(rb"([+-]?)0*(\d{1,20})", re.ASCII)


class ScanOptions(NamedTuple):
    page_keys: int
    wanted: Filter


def scan(context: Context, arguments: list[bytes]) -> bytes:
    cursor = parse_cursor(arguments[1])
    options = parse_scan_options(arguments[2:])
    page = iteration.scan(context.db, cursor, options.page_keys, options.wanted, context.now_ms)
    return array([bulk(b"%d" % page.cursor), bulk_array(page.keys)])


def parse_cursor(text: bytes) -> int:
    """The position that a client got from an earlier page, or 0."""
    match = _CURSOR.fullmatch(text or b"0")
    if match is None or int(match[2]) >= CURSOR_LIMIT:
        raise ReplyError("ERR invalid cursor")
    number = int(match[2])
    return -number % CURSOR_LIMIT if match[1] == b"-" else number


def parse_scan_options(words: list[bytes]) -> ScanOptions:
    """MATCH, COUNT and TYPE in any order; the last of each counts."""
    count, pattern, kind = COUNT_DEFAULT, b"*", None
    for option, value in zip(words[::2], words[1::2], strict=False):
        match option.lower():
            case b"count":
                count = integer(value)
                if count < 1:
                    syntax_error()
            case b"match":
                pattern = value
            case b"type":
                kind = value.lower()
            case _:
                syntax_error()
    if len(words) % 2:
        syntax_error()
    return ScanOptions(count, Filter(pattern, kind))


def parse_element_scan(words: list[bytes]) -> tuple[int, Callable[[bytes], bool]]:
    """The COUNT and MATCH of SSCAN and its like: elements a page, and which are wanted."""
    if any(option.lower() == b"type" for option in words[::2]):
        syntax_error()
    options = parse_scan_options(words)
    pattern = options.wanted.pattern
    matches = (lambda element: True) if pattern == b"*" else compile_glob(pattern)
    return options.page_keys, matches


def keys(context: Context, arguments: list[bytes]) -> bytes:
    return bulk_array(iteration.find_keys(context.db, arguments[1], context.now_ms))


def randomkey(context: Context, _arguments: list[bytes]) -> bytes:
    key = iteration.random_key(context.db, context.keyspace.random, context.now_ms)
    return context.null if key is None else bulk(key)


TABLE: Final = (
    row(
        "scan", -2, "readonly", scan,
        summary="Returns one page of the keys of the selected database, and where to go on.",
        since="2.8.0", group="generic", categories="keyspace",
        complexity="O(1) for a page, O(N) for all of N keys",
        syntax="cursor [MATCH pattern] [COUNT count] [TYPE type]",
        tips=("nondeterministic_output", "request_policy:special", "response_policy:special"),
    ),
    row(
        "keys", 2, "readonly", keys,
        summary="Returns all keys that match a pattern.",
        since="1.0.0", group="generic", categories="keyspace dangerous",
        complexity="O(N), N being the number of keys in the database",
        syntax="pattern",
        tips=("request_policy:all_shards", "nondeterministic_output_order"),
    ),
    row(
        "randomkey", 1, "readonly", randomkey,
        summary="Returns some key of the selected database.",
        since="1.0.0", group="generic", categories="keyspace",
        tips=(
            "request_policy:all_shards", "response_policy:special", "nondeterministic_output",
        ),
    ),
)  # fmt: skip
