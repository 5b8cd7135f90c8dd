"""LCS: the longest common subsequence of two strings (pure).

Redis fills a table of len(a) x len(b) lengths. Here one row of that table is one big integer whose
bits are the *steps* between neighbours, and a row follows from the one above with a handful of
operations on the whole integer (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004), so
the interpreter works once a byte of `a`, not once a cell. The walk back takes the same way through
the table as that of Redis, whose choices can be seen in the IDX reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError, WrongTypeError
from kiwi_engine.resp.reply import array, bulk, mapping
from kiwi_engine.resp.reply import integer as integer_reply

TABLE_CELL_BYTES: Final = 4  # of Redis' table, from which its limit follows


class Match(NamedTuple):
    """Ranges of equal bytes; all ends belong to the range, as in the reply."""

    first_a: int
    last_a: int
    first_b: int
    last_b: int

    @property
    def length(self) -> int:
        return self.last_a - self.first_a + 1


class LcsOptions(NamedTuple):
    wants_ranges: bool
    wants_length: bool
    shows_match_length: bool
    match_length_min: int


def lcs(context: Context, arguments: list[bytes]) -> bytes:
    a, b = _string(context, arguments[1]), _string(context, arguments[2])
    options = _parse_options(arguments[3:])
    table_bytes = (len(a) + 1) * (len(b) + 1) * TABLE_CELL_BYTES
    if table_bytes > context.keyspace.value_bytes_max:
        raise ReplyError(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
        )
    if options.wants_length:
        return integer_reply(_length(step_rows(a, b)[-1], len(b)))
    matches = list(find_matches(a, b))
    if not options.wants_ranges:
        pieces = [a[match.first_a : match.last_a + 1] for match in reversed(matches)]
        return bulk(b"".join(pieces))
    shown = [match for match in matches if match.length >= options.match_length_min]
    ranges = [_range_reply(match, options.shows_match_length) for match in shown]
    total = sum(match.length for match in matches)
    flat = [bulk(b"matches"), array(ranges), bulk(b"len"), integer_reply(total)]
    return mapping(context.resp3, flat)


def _string(context: Context, key: bytes) -> bytes:
    try:
        return context.db.get(key, context.now_ms) or b""
    except WrongTypeError:
        raise ReplyError("ERR The specified keys must contain string values") from None


def _parse_options(words: list[bytes]) -> LcsOptions:
    given: set[bytes] = set()
    match_length_min = 0
    at = 0
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word in (b"idx", b"len", b"withmatchlen"):
            given.add(word)
        elif word == b"minmatchlen" and at < len(words):
            match_length_min = max(0, integer(words[at]))
            at += 1
        else:
            syntax_error()
    if {b"idx", b"len"} <= given:
        raise ReplyError("ERR If you want both the length and indexes, please just use IDX.")
    return LcsOptions(b"idx" in given, b"len" in given, b"withmatchlen" in given, match_length_min)


def _range_reply(match: Match, shows_length: bool) -> bytes:
    ends_a = array([integer_reply(match.first_a), integer_reply(match.last_a)])
    ends_b = array([integer_reply(match.first_b), integer_reply(match.last_b)])
    length = [integer_reply(match.length)] if shows_length else []
    return array([ends_a, ends_b, *length])


def step_rows(a: bytes, b: bytes) -> list[int]:
    """For each prefix of `a` an integer: bit j is 0 where byte j of `b` makes the LCS longer."""
    everything = (1 << len(b)) - 1
    places: dict[int, int] = {}
    for j, byte in enumerate(b):
        places[byte] = places.get(byte, 0) | (1 << j)
    row_bits = everything
    rows = [row_bits]
    for byte in a:
        equal = row_bits & places.get(byte, 0)
        row_bits = ((row_bits + equal) | (row_bits - equal)) & everything
        rows.append(row_bits)
    return rows


def _length(row_bits: int, width: int) -> int:
    return width - row_bits.bit_count()


def find_matches(a: bytes, b: bytes) -> Iterator[Match]:
    """The ranges of the longest common subsequence, the last one first.

    At (i, j) Redis goes up if the table's cell above is greater than the one to the left. Where the
    bytes differ that is so exactly if the cell is greater than its left neighbour: bit j-1 is 0.
    """
    rows = step_rows(a, b)
    i, j = len(a), len(b)
    last_a = last_b = length = 0
    while i and j:
        if a[i - 1] == b[j - 1]:
            if not length:
                last_a, last_b = i - 1, j - 1
            length += 1
            i -= 1
            j -= 1
            continue
        if length:
            yield Match(last_a - length + 1, last_a, last_b - length + 1, last_b)
            length = 0
        if rows[i] >> (j - 1) & 1:
            j -= 1
        else:
            i -= 1
    if length:
        yield Match(last_a - length + 1, last_a, last_b - length + 1, last_b)


TABLE: Final = (
    row(
        "lcs", -3, "readonly", lcs,
        summary="Finds the longest common subsequence of two strings.",
        since="7.0.0", group="string", categories="string",
        complexity="O(N*M), N and M being the lengths of the strings",
        syntax="key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        keys=(keys("RO access", last=2),),
    ),
)  # fmt: skip
