"""The commands that return or store a range of a sorted set (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer as parse_integer
from kiwi_engine.commands.arguments import syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.commands.sorted_sets.algebra import store_result
from kiwi_engine.commands.sorted_sets.words import (
    elements_reply,
    parse_lex_range,
    parse_score_range,
)
from kiwi_engine.commands.table import Command, Handler
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.observation import SORTED_SET
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet, open_sorted_set
from kiwi_engine.keyspace.sorted_sets.score_order import Range
from kiwi_engine.keyspace.sorted_sets.spread import Element
from kiwi_engine.resp.reply import EMPTY_ARRAY, ZERO, integer

_NO_LIMIT: Final = -1
_LIMIT_WITHOUT_BY: Final = (
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)
_SCORES_BY_LEX: Final = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"


class By(Enum):
    """What the two ends of a range are."""

    INDEX = auto()
    SCORE = auto()
    LEX = auto()


_BY: Final = {b"byscore": By.SCORE, b"bylex": By.LEX}


class Indexes(NamedTuple):
    """From `first` to `last`, both included; negative ones count from the end."""

    first: int
    last: int

    def resolve(self, count: int) -> tuple[int, int]:
        """As [begin, end) of a set with `count` elements."""
        begin = self.first if self.first >= 0 else max(0, self.first + count)
        end = (self.last if self.last >= 0 else self.last + count) + 1
        return begin, max(begin, min(end, count))


class Selection(NamedTuple):
    """What a command of the ZRANGE family asks for; a negative `limit` means all."""

    wanted: Indexes | Range
    is_reverse: bool
    offset: int
    limit: int
    with_scores: bool

    def of(self, found: AnySortedSet) -> Iterator[Element]:
        """The elements of a sorted set that are asked for, in the order of the reply."""
        if isinstance(self.wanted, Indexes):
            begin, end = self.wanted.resolve(found.count)
            if self.is_reverse:
                begin, end = found.count - end, found.count - begin
            return found.between(begin, end, is_reverse=self.is_reverse)
        if self.offset < 0:
            return iter(())
        limit = None if self.limit < 0 else self.limit
        return found.within(self.wanted, self.offset, limit, is_reverse=self.is_reverse)


class _Options:
    """The words behind the two ends of a range, read one after the other."""

    def __init__(self, by: By | None, is_reverse: bool | None, *, may_have_scores: bool) -> None:
        """`by` and `is_reverse` are None where an option may choose them, once."""
        self._may_choose_by = by is None
        self._may_choose_direction = is_reverse is None
        self._may_have_scores = may_have_scores
        self.by = by or By.INDEX
        self.is_reverse = bool(is_reverse)
        self.offset, self.limit = 0, _NO_LIMIT
        self.with_scores = False

    def read(self, words: list[bytes]) -> None:
        at = 0
        while at < len(words):
            option = words[at].lower()
            if option == b"limit" and at + 2 < len(words):
                self.offset, self.limit = map(parse_integer, words[at + 1 : at + 3])
                at += 2
            else:
                self._read_flag(option)
            at += 1
        if self.limit != _NO_LIMIT and self.by is By.INDEX:
            raise ReplyError(_LIMIT_WITHOUT_BY)
        if self.with_scores and self.by is By.LEX:
            raise ReplyError(_SCORES_BY_LEX)

    def _read_flag(self, option: bytes) -> None:
        if option == b"withscores" and self._may_have_scores:
            self.with_scores = True
        elif option == b"rev" and self._may_choose_direction:
            self.is_reverse = True
            self._may_choose_direction = False
        elif option in _BY and self._may_choose_by:
            self.by = _BY[option]
            self._may_choose_by = False
        else:
            syntax_error()


def _selection(options: _Options, words: list[bytes]) -> Selection:
    """`words`: the two ends, and what follows them."""
    options.read(words[2:])
    low, high = words[:2]
    if options.is_reverse and options.by is not By.INDEX:
        low, high = high, low
    wanted: Indexes | Range
    match options.by:
        case By.INDEX:
            wanted = Indexes(parse_integer(low), parse_integer(high))
        case By.SCORE:
            wanted = parse_score_range(low, high)
        case By.LEX:
            wanted = parse_lex_range(low, high)
    is_reverse, with_scores = options.is_reverse, options.with_scores
    return Selection(wanted, is_reverse, options.offset, options.limit, with_scores)


def _range_handler(by: By | None, is_reverse: bool | None) -> Handler:
    def handler(context: Context, arguments: list[bytes]) -> bytes:
        options = _Options(by, is_reverse, may_have_scores=True)
        selection = _selection(options, arguments[2:])
        found = open_sorted_set(context.db, arguments[1], context.now_ms)
        if found is None:
            return EMPTY_ARRAY
        return elements_reply(context.resp3, selection.of(found), selection.with_scores)

    return handler


def zrangestore(context: Context, arguments: list[bytes]) -> bytes:
    _, target_key, source_key = arguments[:3]
    selection = _selection(_Options(None, None, may_have_scores=False), arguments[3:])
    found = open_sorted_set(context.db, source_key, context.now_ms)
    elements = () if found is None else selection.of(found)
    return store_result(context, target_key, elements, b"zrangestore")


def zremrangebyrank(context: Context, arguments: list[bytes]) -> bytes:
    indexes = Indexes(*map(parse_integer, arguments[2:]))
    return _remove(context, arguments[1], indexes, b"zremrangebyrank")


def zremrangebyscore(context: Context, arguments: list[bytes]) -> bytes:
    wanted = parse_score_range(arguments[2], arguments[3])
    return _remove(context, arguments[1], wanted, b"zremrangebyscore")


def zremrangebylex(context: Context, arguments: list[bytes]) -> bytes:
    wanted = parse_lex_range(arguments[2], arguments[3])
    return _remove(context, arguments[1], wanted, b"zremrangebylex")


def _remove(context: Context, key: bytes, wanted: Indexes | Range, event: bytes) -> bytes:
    found = open_sorted_set(context.db, key, context.now_ms)
    if found is None:
        return ZERO
    if isinstance(wanted, Indexes):
        removed = found.remove_between(*wanted.resolve(found.count))
    else:
        removed = found.remove_within(wanted)
    if removed:
        found.save()
        context.shrunk(key, SORTED_SET, event, found.count)
    return integer(removed)


_COMPLEXITY: Final = (
    "O(log(N)+M), N being the number of members and M that of those returned; "
    "O(log(N)+sqrt(N)+M) by index or with a long offset"
)
_REMOVE_COMPLEXITY: Final = (
    "O(log(N)+sqrt(N)+M), N being the number of members and M that of those removed"
)


def _range_row(name: str, handler: Handler, since: str, summary: str, syntax: str) -> Command:
    return row(
        name, -4, "readonly", handler,
        summary=summary, since=since, group="sorted-set", categories="sortedset",
        complexity=_COMPLEXITY, syntax=syntax, keys=(keys("RO access"),),
    )  # fmt: skip


def _remove_row(name: str, handler: Handler, since: str, summary: str, syntax: str) -> Command:
    return row(
        name, 4, "write", handler,
        summary=summary, since=since, group="sorted-set", categories="sortedset",
        complexity=_REMOVE_COMPLEXITY, syntax=syntax, keys=(keys("RW delete"),),
    )  # fmt: skip


TABLE: Final = (
    _range_row(
        "zrange", _range_handler(None, None), "1.2.0",
        "Returns the members in a range of indexes, of scores, or of members.",
        "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
    ),
    row(
        "zrangestore", -5, "write denyoom", zrangestore,
        summary="Stores a range of a sorted set as another one.",
        since="6.2.0", group="sorted-set", categories="sortedset",
        complexity="O(log(N)+sqrt(N)+M*log(M)), M being the number of members stored",
        syntax="dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
        keys=(keys("OW update"), keys("RO access", first=2)),
    ),
    _range_row(
        "zrevrange", _range_handler(By.INDEX, True), "1.2.0",
        "Returns the members in a range of indexes that count from the highest score on.",
        "key start stop [WITHSCORES]",
    ),
    _range_row(
        "zrangebyscore", _range_handler(By.SCORE, False), "1.0.5",
        "Returns the members in a range of scores.",
        "key min max [WITHSCORES] [LIMIT offset count]",
    ),
    _range_row(
        "zrevrangebyscore", _range_handler(By.SCORE, True), "2.2.0",
        "Returns the members in a range of scores, the highest one first.",
        "key max min [WITHSCORES] [LIMIT offset count]",
    ),
    _range_row(
        "zrangebylex", _range_handler(By.LEX, False), "2.8.9",
        "Returns the members in a range of members, where all scores are equal.",
        "key min max [LIMIT offset count]",
    ),
    _range_row(
        "zrevrangebylex", _range_handler(By.LEX, True), "2.8.9",
        "Returns the members in a range of members, the last one first.",
        "key max min [LIMIT offset count]",
    ),
    _remove_row(
        "zremrangebyrank", zremrangebyrank, "2.0.0",
        "Removes the members in a range of indexes.", "key start stop",
    ),
    _remove_row(
        "zremrangebyscore", zremrangebyscore, "1.2.0",
        "Removes the members in a range of scores.", "key min max",
    ),
    _remove_row(
        "zremrangebylex", zremrangebylex, "2.8.9",
        "Removes the members in a range of members, where all scores are equal.", "key min max",
    ),
)  # fmt: skip
