"""SORT and SORT_RO (pure).

All elements are in memory while they are sorted. Source: `sortCommandGeneric` of Redis 7.2
(sort.c); texts are compared by their bytes, as Redis does in the locale C.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.generic.sort_patterns import as_c_string, has_place, look_up
from kiwi_engine.commands.rows import keys, row, unknown_keys
from kiwi_engine.errors import ReplyError, WrongTypeError
from kiwi_engine.keyspace.encoding import LIST_KIND, SET_KIND, SORTED_SET_KIND, kind_of
from kiwi_engine.keyspace.lists.opening import AnyList, open_list, replace_list
from kiwi_engine.keyspace.numerals.doubles import to_double
from kiwi_engine.keyspace.observation import LIST
from kiwi_engine.keyspace.sets.opening import AnySet, open_set
from kiwi_engine.keyspace.sorted_sets.opening import AnySortedSet, open_sorted_set
from kiwi_engine.resp import reply

_NOT_A_SCORE: Final = "ERR One or more scores can't be converted into double"
_BLANKS: Final = b" \t\n\v\f\r"

# The options whose arguments are never taken for STORE.
_DENIED: Final = "ERR %s option of SORT denied due to insufficient ACL permissions."
_ARGUMENT_COUNTS: Final = {b"limit": 2, b"get": 1, b"by": 1}

Sortable = AnyList | AnySet | AnySortedSet


class Request(NamedTuple):
    """What a SORT was asked for; `limit` -1 is none, `destination` None no STORE.

    `keeps_order`: BY something that is the same for all elements was given, nothing is compared.
    """

    key: bytes
    by: bytes | None = None
    keeps_order: bool = False
    patterns: tuple[bytes, ...] = ()
    is_descending: bool = False
    is_alphabetical: bool = False
    offset: int = 0
    limit: int = -1
    destination: bytes | None = None


def sort(context: Context, arguments: list[bytes]) -> bytes:
    return _sort(
        context,
        parse_request(arguments, may_store=True, may_look_up=_may_look_up(context, arguments)),
    )


def sort_ro(context: Context, arguments: list[bytes]) -> bytes:
    return _sort(
        context,
        parse_request(arguments, may_store=False, may_look_up=_may_look_up(context, arguments)),
    )


def _may_look_up(context: Context, arguments: list[bytes]) -> bool:
    """Whether the user may read all the keys that BY and GET might make of the elements."""
    if not context.user:
        return True
    assert context.executor is not None, "only an executor runs commands of users"
    return context.executor.permissions.may_read_any_key(context.user, arguments)


def parse_request(arguments: list[bytes], *, may_store: bool, may_look_up: bool = True) -> Request:
    """The options, in any order; of those given twice the last one counts, but for GET."""
    request = Request(arguments[1])
    words = iter(arguments[2:])
    for word in words:
        option = word.lower()
        if option in (b"asc", b"desc"):
            request = request._replace(is_descending=option == b"desc")
        elif option == b"alpha":
            request = request._replace(is_alphabetical=True)
        elif option == b"by":
            by = _next(words)
            if has_place(by) and not may_look_up:
                raise ReplyError(_DENIED % "BY")
            keeps_order = request.keeps_order or not has_place(by)
            request = request._replace(by=by, keeps_order=keeps_order)
        elif option == b"get":
            pattern = _next(words)
            if not may_look_up:
                raise ReplyError(_DENIED % "GET")
            request = request._replace(patterns=(*request.patterns, pattern))
        elif option == b"store" and may_store:
            request = request._replace(destination=_next(words))
        elif option == b"limit":
            offset, limit = _next(words), _next(words)
            request = request._replace(offset=integer(offset), limit=integer(limit))
        else:
            syntax_error()
    return request


def destination_place(words: Sequence[bytes]) -> range:
    """Where the key behind STORE stands, found without a look at the rest of the grammar.

    Source: `sortGetKeys` in Redis' db.c.
    """
    place = range(0)
    at = 2
    while at < len(words) - 1:
        option = words[at].lower()
        if option == b"store":
            place = range(at + 1, at + 2)
        at += 1 + _ARGUMENT_COUNTS.get(option, 0)
    return place


def _next(words: Iterator[bytes]) -> bytes:
    word = next(words, None)
    return syntax_error() if word is None else word


def _sort(context: Context, request: Request) -> bytes:
    found = _open(context, request.key)
    elements = [] if found is None else _sorted(context, request, found)
    if not request.patterns:
        values: list[bytes | None] = [*elements]
    else:
        columns = [look_up(context, pattern, elements) for pattern in request.patterns]
        values = [value for line in zip(*columns, strict=True) for value in line]
    if request.destination is None:
        null = context.null
        return reply.array([null if value is None else reply.bulk(value) for value in values])
    _store(context, request.destination, [value or b"" for value in values])
    return reply.integer(len(values))


def _open(context: Context, key: bytes) -> Sortable | None:
    """What is to be sorted; `WrongTypeError` where something else lives."""
    db, now_ms = context.db, context.now_ms
    head = db.head(key, now_ms)
    if head is None:
        return None
    kind = kind_of(head)
    if kind == LIST_KIND:
        return open_list(db, key, now_ms)
    if kind == SET_KIND:
        return open_set(db, key, now_ms)
    if kind == SORTED_SET_KIND:
        return open_sorted_set(db, key, now_ms)
    raise WrongTypeError


def _sorted(context: Context, request: Request, found: Sortable) -> list[bytes]:
    """The elements to return, in order."""
    start, stop = _bounds(request, found.count)
    if request.keeps_order:
        if isinstance(found, AnySet):
            members = found.in_reply_order()
            if request.destination is not None:
                # Redis makes what it stores the same everywhere.
                members.sort(reverse=request.is_descending)
            return members[start:stop]
        return _in_own_order(found, start, stop, is_descending=request.is_descending)
    elements = _all(found)
    if request.is_alphabetical:
        ordered = _by_text(context, request, elements)
    else:
        ordered = _by_number(context, request, elements)
    return ordered[start:stop]


def _bounds(request: Request, count: int) -> tuple[int, int]:
    """Which of `count` elements in their order LIMIT leaves."""
    start = min(max(request.offset, 0), count)
    return start, count if request.limit < 0 else min(start + request.limit, count)


def _in_own_order(
    found: AnyList | AnySortedSet, start: int, stop: int, *, is_descending: bool
) -> list[bytes]:
    """A part of a list or a sorted set, counted from its end if `is_descending`."""
    if is_descending:
        start, stop = found.count - stop, found.count - start
    if isinstance(found, AnyList):
        elements = found.read(start, stop - start)
        return elements[::-1] if is_descending else elements
    return [member for member, _ in found.between(start, stop, is_reverse=is_descending)]


def _all(found: Sortable) -> list[bytes]:
    if isinstance(found, AnyList):
        return found.read(0, found.count)
    if isinstance(found, AnySet):
        return found.in_reply_order()
    return [member for member, _ in found.between(0, found.count)]


def _by_text(context: Context, request: Request, elements: list[bytes]) -> list[bytes]:
    """Ordered by texts; elements without one come first, equal ones stay as they were."""
    texts: Sequence[bytes | None] = elements
    if request.by is not None:
        texts = look_up(context, request.by, elements)
    # `strcoll` ends at a NUL, but what is stored is compared as a whole.
    is_whole = request.destination is not None
    order = [
        (text is not None, b"" if text is None else text if is_whole else as_c_string(text))
        for text in texts
    ]
    return _ordered(elements, order, request)


def _by_number(context: Context, request: Request, elements: list[bytes]) -> list[bytes]:
    """Ordered by numbers, and by their own bytes where those are equal."""
    texts: Sequence[bytes | None] = elements
    if request.by is not None:
        texts = look_up(context, request.by, elements)
    weights = [0.0 if text is None else _weight(text) for text in texts]
    return _ordered(elements, list(zip(weights, elements, strict=True)), request)


def _ordered(
    elements: list[bytes], order: Sequence[tuple[float | bool, bytes]], request: Request
) -> list[bytes]:
    places = sorted(range(len(elements)), key=order.__getitem__, reverse=request.is_descending)
    return [elements[at] for at in places]


def _weight(text: bytes) -> float:
    """A double as `strtod` takes it: blanks in front, or nothing at all, are no error."""
    seen = as_c_string(text)
    if not seen:
        return 0.0
    number = to_double(seen.lstrip(_BLANKS))
    if number is None or 0 < abs(number) < sys.float_info.min:
        raise ReplyError(_NOT_A_SCORE)
    return number


def _store(context: Context, destination: bytes, values: list[bytes]) -> None:
    if values:
        context.overwrites(destination)
        replace_list(context.db, destination, values)
        context.changed(destination, LIST, b"sortstore")
    else:
        context.delete(destination)


_COMPLEXITY: Final = (
    "O(N+M*log(M)) where N is the number of elements and M the number of those that are sorted"
)
_SYNTAX: Final = (
    "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]"
)
_CATEGORIES: Final = "set sortedset list dangerous"

TABLE: Final = (
    row(
        "sort", -2, "write denyoom movablekeys", sort,
        summary="Returns or stores the elements of a list, set or sorted set in order.",
        since="1.0.0", group="generic", categories=_CATEGORIES, complexity=_COMPLEXITY,
        syntax=f"{_SYNTAX} [STORE destination]",
        keys=(
            keys("RO access"),
            unknown_keys("RO access"),
            unknown_keys("OW update", destination_place),
        ),
    ),
    row(
        "sort_ro", -2, "readonly movablekeys", sort_ro,
        summary="Returns the elements of a list, set or sorted set in order.",
        since="7.0.0", group="generic", categories=_CATEGORIES, complexity=_COMPLEXITY,
        syntax=_SYNTAX, keys=(keys("RO access"), unknown_keys("RO access")),
    ),
)  # fmt: skip
