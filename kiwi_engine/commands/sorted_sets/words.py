"""Arguments and replies that the commands on sorted sets share (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.doubles import double_text, to_bound, to_double
from kiwi_engine.keyspace.sorted_sets.score_order import LexRange, ScoreRange
from kiwi_engine.keyspace.sorted_sets.spread import Element
from kiwi_engine.resp.reply import array, bulk, bulk_array

NOT_A_FLOAT: Final = "ERR value is not a valid float"
POSITIVE: Final = "ERR value is out of range, must be positive"
_NOT_A_BOUND: Final = "ERR min or max is not a float"
_NOT_A_LEX_BOUND: Final = "ERR min or max not valid string range item"


def parse_score(text: bytes, message: str = NOT_A_FLOAT) -> float:
    """A score, or the error `message`."""
    number = to_double(text)
    if number is None:
        raise ReplyError(message)
    return number


def parse_score_range(low: bytes, high: bytes) -> ScoreRange:
    """From `low` to `high`, each "1.5", "(1.5", "-inf" and the like."""
    return ScoreRange(_bound(low), _bound(high), low.startswith(b"("), high.startswith(b"("))


def _bound(text: bytes) -> float:
    number = to_bound(text[1:] if text.startswith(b"(") else text)
    if number is None:
        raise ReplyError(_NOT_A_BOUND)
    return number


def parse_lex_range(low: bytes, high: bytes) -> LexRange:
    """From `low` to `high`, each "[member", "(member", "-" or "+"."""
    for text in (low, high):
        if not text.startswith((b"[", b"(")) and text not in (b"-", b"+"):
            raise ReplyError(_NOT_A_LEX_BOUND)
    return LexRange(
        None if low == b"-" else low[1:],
        None if high == b"+" else high[1:],
        low.startswith(b"("),
        high.startswith(b"("),
        is_impossible=low == b"+" or high == b"-",
    )


def score_reply(resp3: bool, score: float) -> bytes:
    """A double, or its text in RESP2."""
    text = double_text(score)
    return b",%b\r\n" % text if resp3 else b"$%d\r\n%b\r\n" % (len(text), text)


def flat_reply(resp3: bool, elements: Iterable[Element]) -> bytes:
    """Members and scores by turns."""
    parts: list[bytes] = []
    for member, score in elements:
        parts += (bulk(member), score_reply(resp3, score))
    return array(parts)


def nested_reply(resp3: bool, elements: Iterable[Element]) -> bytes:
    """An array of a member and its score for each element."""
    return array([array([bulk(member), score_reply(resp3, score)]) for member, score in elements])


def elements_reply(resp3: bool, elements: Iterable[Element], with_scores: bool) -> bytes:
    """The members, with their scores if asked for."""
    if not with_scores:
        return bulk_array([member for member, _ in elements])
    return (nested_reply if resp3 else flat_reply)(resp3, elements)
