"""Order keys compare as elements do."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.keyspace.sorted_sets.score_order import (
    LexRange,
    ScoreRange,
    decode_score,
    encode_score,
    lex_interval,
    score_interval,
)

scores = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, inf, -inf, 5e-324, -5e-324])


@given(scores, scores, st.binary(max_size=3), st.binary(max_size=3))
def test_order_keys_are_in_the_order_of_redis(
    one: float, other: float, member: bytes, other_member: bytes
) -> None:
    as_bytes = encode_score(one) + member < encode_score(other) + other_member
    assert as_bytes == ((one, member) < (other, other_member))


@given(scores)
def test_scores_are_decoded_but_for_the_sign_of_zero(score: float) -> None:
    assert repr(decode_score(encode_score(score) + b"member")) == repr(score or 0.0)


@given(scores, scores, st.booleans(), st.booleans(), scores, st.binary(max_size=2))
def test_an_interval_has_the_scores_of_its_range(
    low: float, high: float, low_open: bool, high_open: bool, score: float, member: bytes
) -> None:
    wanted = ScoreRange(low, high, low_open, high_open)
    inside = (score > low or (score == low and not low_open)) and (
        score < high or (score == high and not high_open)
    )
    if wanted.is_empty:
        assert not inside
        return
    interval = score_interval(wanted)
    assert interval.high is not None
    assert (interval.low <= encode_score(score) + member < interval.high) == inside


def test_empty_ranges() -> None:
    assert ScoreRange(2.0, 1.0).is_empty
    assert ScoreRange(1.0, 1.0, is_low_open=True).is_empty
    assert not ScoreRange(1.0, 1.0).is_empty
    assert not ScoreRange(1.0, 2.0, is_low_open=True, is_high_open=True).is_empty
    assert LexRange(b"b", b"a").is_empty
    assert LexRange(b"a", b"a", is_high_open=True).is_empty
    assert LexRange(is_impossible=True).is_empty
    assert not LexRange(b"a", b"a").is_empty
    assert not LexRange().is_empty
    assert not LexRange(b"b").is_empty


@given(
    st.binary(max_size=2), st.binary(max_size=2), st.booleans(), st.booleans(),
    st.binary(max_size=3),
)  # fmt: skip
def test_an_interval_of_members(
    low: bytes, high: bytes, low_open: bool, high_open: bool, member: bytes
) -> None:
    interval = lex_interval(LexRange(low, high, low_open, high_open), 1.5, 1.5)
    order_key = encode_score(1.5) + member
    above = member > low if low_open else member >= low
    below = member < high if high_open else member <= high
    assert interval.high is not None
    assert (interval.low <= order_key < interval.high) == (above and below)
    everything = lex_interval(LexRange(), 1.5, 1.5)
    assert everything.high is not None
    assert everything.low <= order_key < everything.high
