"""When two raw replies count as the same (pure).

They must be equal bytes, but for what Redis leaves to chance, to its inner structures or to the
moment; all exceptions are in this module and in docs/testing.md:

- KEYS and SCAN return keys in an order of their own;
- so do hashes and sets in the encoding hashtable, and here all that are stored element by element
  (`PERMUTED`: whoever compares looks at the encoding, or knows how ours are stored);
- in random sequences a string may be `raw` or not: Redis remembers what was changed in place;
- there a quicklist may be a listpack as well: Redis also looks at how the chain came to be;
- random picks must have the same shape, and come from what the command before them returned;
- Valkey lets one leave out the end in BITCOUNT, which Redis 7.2 calls a syntax error, words two
  errors of GEOSEARCH otherwise, and refuses cursors that are empty or negative, and types that
  are none;
- times may differ a little; idle times and the nodes of a stream's tree are not compared.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import Final

from tests.differential.grammar import Words
from tests.support.replies import AGGREGATES, Aggregate, Reply, elements, parse, text_of


class Verdict(enum.Enum):
    """`PERMUTED` is the same only if the order is random in the reference."""

    SAME = enum.auto()
    PERMUTED = enum.auto()
    DIFFERENT = enum.auto()


# Replies that depend on the moment, and by how much two runs of a sequence may differ.
TIME_TOLERANCE: Final = {
    **dict.fromkeys((b"pttl", b"pexpiretime", b"hpttl", b"hpexpiretime"), 2000),
    **dict.fromkeys((b"ttl", b"expiretime", b"httl", b"hexpiretime"), 2),
}
RANDOM_PICKS: Final = frozenset((b"spop", b"srandmember", b"hrandfield", b"zrandmember"))
# How many elements belong together where the order may be random.
PERMUTABLE: Final = {
    b"hgetall": 2,
    **dict.fromkeys((b"hkeys", b"hvals", b"smembers", b"sinter", b"sunion", b"sdiff"), 1),
    **dict.fromkeys((b"sort", b"sort_ro"), 1),
}
SCANS: Final = {b"hscan": 2, b"sscan": 1, b"zscan": 2, b"scan": 1}
# Fields of XINFO whose values are of the moment, or tell of Redis' radix tree.
_OF_THE_MOMENT: Final = frozenset(
    (b"idle", b"inactive", b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes")
)
_PENDING_LISTS: Final = frozenset((b"pel", b"pending"))
_STRING_ENCODINGS: Final = frozenset((b"$3\r\nraw\r\n", b"$6\r\nembstr\r\n"))
_CHANGED_INTEGER: Final = (b"$3\r\nraw\r\n", b"$3\r\nint\r\n")
_LONG_AND_SHORT_LIST: Final = (b"$9\r\nquicklist\r\n", b"$8\r\nlistpack\r\n")
_HIDDEN: Final = b":?\r\n"
# How many words a read has that the reference understands and Redis 7.2 does not.
_NEWER_SYNTAX: Final = {b"bitcount": 3}
_SYNTAX_ERROR: Final = b"-ERR syntax error\r\n"
_INVALID_CURSOR: Final = b"-ERR invalid cursor\r\n"
_UNKNOWN_TYPE: Final = b"-ERR unknown type name "
_ODD_CURSORS: Final = frozenset((b"", b"-1"))
# What Redis 7.2 says where the reference says something else, by the beginning of ours.
_NEWER_TEXTS: Final = {
    b"-ERR could not decode requested zset member": re.compile(
        rb"-ERR member .* does not exist\r\n"
    ),
    b"-ERR exactly one of BYRADIUS and BYBOX can be specified for": re.compile(
        rb"-ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for .*\r\n"
    ),
}


def compare(words: Words, expected: bytes, actual: bytes, before: bytes = b"") -> Verdict:
    """Judge the replies to `words`; `before` is our reply to the command before it."""
    if expected == actual:
        return Verdict.SAME
    if actual == _SYNTAX_ERROR and len(words) == _NEWER_SYNTAX.get(words[0].lower()):
        return Verdict.SAME
    if expected == _INVALID_CURSOR and set(words[1:3]) & _ODD_CURSORS:
        return Verdict.SAME
    if expected.startswith(_UNKNOWN_TYPE) and (actual[:1] == b"*" or actual == _SYNTAX_ERROR):
        return Verdict.SAME
    if expected[:1] == b"-":
        return _verdict(_is_newer_text(expected, actual))
    if expected[:1] != actual[:1]:
        return Verdict.DIFFERENT
    name = words[0].lower()
    if name in PERMUTABLE:
        return _permuted(expected, actual, PERMUTABLE[name])
    if name in SCANS:
        return _scanned(name, expected, actual)
    return _verdict(_RULES.get(name, _never)(words, expected, actual, before))


def differ_in_place(words: Words, expected: bytes, actual: bytes) -> bool:
    """Whether these are names of one thing whose history makes the difference.

    Strings, but what Redis calls an integer is one; lists, of which ours is the one that is called
    small.
    """
    if words[0].lower() != b"object":
        return False
    is_string = {expected, actual} <= _STRING_ENCODINGS
    return is_string or (expected, actual) in (_CHANGED_INTEGER, _LONG_AND_SHORT_LIST)


def _is_newer_text(expected: bytes, actual: bytes) -> bool:
    return any(
        actual.startswith(ours) and theirs.fullmatch(expected) is not None
        for ours, theirs in _NEWER_TEXTS.items()
    )


def _verdict(is_same: bool) -> Verdict:
    return Verdict.SAME if is_same else Verdict.DIFFERENT


def _never(words: Words, expected: bytes, actual: bytes, before: bytes) -> bool:
    return False


def _any_order(words: Words, expected: bytes, actual: bytes, before: bytes) -> bool:
    return sorted(elements(expected)) == sorted(elements(actual))


def _about_the_same_time(words: Words, expected: bytes, actual: bytes, before: bytes) -> bool:
    wanted, got = leaves(parse(expected)), leaves(parse(actual))
    if len(wanted) != len(got):
        return False
    tolerance = TIME_TOLERANCE[words[0].lower()]
    return all(_near(one, other, tolerance) for one, other in zip(wanted, got, strict=True))


def _near(expected: bytes, actual: bytes, tolerance: int) -> bool:
    if expected == actual:
        return True
    want, got = int(expected[1:]), int(actual[1:])
    return min(want, got) > 0 and abs(want - got) <= tolerance


def _random_picks(words: Words, expected: bytes, actual: bytes, before: bytes) -> bool:
    """The same shape, elements of `before`, and none twice unless the count is negative."""
    want, got = parse(expected), parse(actual)
    if shape(want) != shape(got):
        return False
    is_paired = words[-1].lower() in (b"withvalues", b"withscores")
    picked, known = (_in_pairs(leaves(one), is_paired) for one in (got, parse(before)))
    if words[0].lower() in (b"hrandfield", b"zrandmember") and not is_paired:
        known = [pair[:1] for pair in _in_pairs(leaves(parse(before)), True)]
    may_repeat = len(words) > 2 and words[2].startswith(b"-")
    return set(picked) <= set(known) and (may_repeat or len(set(picked)) == len(picked))


def _in_pairs(found: list[bytes], is_paired: bool) -> list[tuple[bytes, ...]]:
    step = 2 if is_paired else 1
    return [tuple(found[at : at + step]) for at in range(0, len(found), step)]


def _stream_facts(words: Words, expected: bytes, actual: bytes, before: bytes) -> bool:
    is_pending = words[0].lower() == b"xpending"
    hide = _hide_idle_times if is_pending else _hide_moments
    return hide(parse(expected)) == hide(parse(actual))


def _permuted(expected: bytes, actual: bytes, step: int) -> Verdict:
    if expected[0] not in AGGREGATES:
        return Verdict.DIFFERENT
    wanted, got = (sorted(_groups(elements(reply), step)) for reply in (expected, actual))
    return Verdict.PERMUTED if wanted == got else Verdict.DIFFERENT


def _scanned(name: bytes, expected: bytes, actual: bytes) -> Verdict:
    (cursor, page), (our_cursor, our_page) = elements(expected), elements(actual)
    verdict = _permuted(page, our_page, SCANS[name])
    if cursor != our_cursor or verdict is Verdict.DIFFERENT:
        return Verdict.DIFFERENT
    return Verdict.SAME if name == b"scan" else verdict


def _groups(found: list[bytes], step: int) -> list[tuple[bytes, ...]]:
    return [tuple(found[at : at + step]) for at in range(0, len(found), step)]


def _hide_idle_times(reply: Reply) -> Reply:
    """XPENDING with a range: id, consumer, idle time, deliveries."""
    if isinstance(reply, bytes):
        return reply
    return Aggregate(reply.kind, [_hide_time(entry) for entry in reply.elements])


def _hide_time(entry: Reply) -> Reply:
    """The time in an entry of a pending list is the last but one of its elements."""
    if isinstance(entry, bytes) or not 3 <= len(entry.elements) <= 4:
        return entry
    return Aggregate(entry.kind, [*entry.elements[:-2], _HIDDEN, entry.elements[-1]])


def _hide_moments(reply: Reply) -> Reply:
    """XINFO: what follows a name that tells of the moment."""
    if isinstance(reply, bytes):
        return reply
    shown: list[Reply] = []
    name = b""
    for element in reply.elements:
        if name in _OF_THE_MOMENT and element != b":-1\r\n":
            shown.append(_HIDDEN)
        elif name in _PENDING_LISTS and isinstance(element, Aggregate):
            shown.append(_hide_idle_times(element))
        else:
            shown.append(_hide_moments(element))
        is_text = isinstance(element, bytes) and element[:1] == b"$" and element[1:2] != b"-"
        name = text_of(element) if is_text else b""
    return Aggregate(reply.kind, shown)


def leaves(reply: Reply) -> list[bytes]:
    """All scalars, from left to right."""
    if isinstance(reply, bytes):
        return [reply]
    return [leaf for element in reply.elements for leaf in leaves(element)]


def shape(reply: Reply) -> object:
    """The types and lengths of a reply without what is in it."""
    if isinstance(reply, bytes):
        return reply[:1], reply.startswith(b"$-1")
    return reply.kind, [shape(element) for element in reply.elements]


_RULES: Final[dict[bytes, Callable[[Words, bytes, bytes, bytes], bool]]] = {
    b"keys": _any_order,
    b"xpending": _stream_facts,
    b"xinfo": _stream_facts,
    **dict.fromkeys(TIME_TOLERANCE, _about_the_same_time),
    **dict.fromkeys(RANDOM_PICKS, _random_picks),
}
