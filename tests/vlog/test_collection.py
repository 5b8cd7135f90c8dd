"""Which segment is collected next, and how fast."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.vlog.collection import (
    DOUBLING_SHARE,
    Choice,
    CollectionLimits,
    SegmentFacts,
    choose_segment,
    rewrite_rate,
    total_dead_share,
)

LIMITS = CollectionLimits(segment_share=0.6, total_share=0.3)
FULL = SegmentFacts(1, 100)
HALF = SegmentFacts(2, 100, counted_bytes=50)
MOST = SegmentFacts(3, 100, counted_bytes=70)
DEAD = SegmentFacts(4, 100, counted_bytes=100)


def choose(*segments: SegmentFacts, **options: int) -> Choice | None:
    return choose_segment(segments, total_dead_share(segments), LIMITS, **options)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ((), None),
        ((FULL,), None),
        ((FULL, FULL, HALF), None),
        ((FULL, HALF), None),
        ((FULL, HALF, HALF), Choice(HALF, "total share")),
        ((FULL, FULL, FULL, MOST), Choice(MOST, "segment's share")),
        ((FULL, HALF, MOST), Choice(MOST, "segment's share")),
        ((FULL, MOST, DEAD), Choice(DEAD, "dead")),
        ((FULL, FULL, FULL, FULL, DEAD), Choice(DEAD, "dead")),
    ],
)
def test_the_deadest_segment_is_chosen(
    segments: tuple[SegmentFacts, ...], expected: Choice | None
) -> None:
    assert choose(*segments) == expected
    assert choose(*reversed(segments)) == expected


def test_the_oldest_of_equally_dead_ones_goes_first() -> None:
    later = MOST._replace(number=9)
    assert choose(later, MOST) == choose(MOST, later) == Choice(MOST, "segment's share")


def test_a_segment_without_entries_is_dead() -> None:
    empty = SegmentFacts(5, 0)
    assert choose(empty) == Choice(empty, "dead")


def test_estimates_count_beside_counts_but_never_beyond_the_entries() -> None:
    segment = SegmentFacts(1, 100, counted_bytes=30, estimated_bytes=35)
    assert choose(segment) == Choice(segment, "segment's share")
    wrong = SegmentFacts(1, 100, counted_bytes=80, estimated_bytes=80)
    assert (wrong.dead_bytes, wrong.live_bytes, wrong.dead_share) == (100, 0, 1.0)


def test_with_little_room_only_what_fits_is_chosen() -> None:
    assert choose(FULL, MOST, live_bytes_max=30) == Choice(MOST, "segment's share")
    assert choose(FULL, MOST, live_bytes_max=29) is None
    assert choose(FULL, MOST, DEAD, live_bytes_max=0) == Choice(DEAD, "dead")


def test_nothing_is_gained_from_a_segment_that_is_nearly_live() -> None:
    """The rest of what is dead lies where it cannot be collected now, in the active segment say."""
    nearly = SegmentFacts(1, 100, counted_bytes=4)
    assert choose_segment([nearly], 0.5, LIMITS) is None


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 120)), max_size=6))
def test_a_choice_is_never_worse_than_another(shares: list[tuple[int, int]]) -> None:
    segments = [SegmentFacts(n, 100, *share) for n, share in enumerate(shares, 1)]
    choice = choose(*segments)
    if choice is None:
        assert total_dead_share(segments) <= 0.3 or not segments
        assert all(segment.dead_share < 0.6 for segment in segments)
    else:
        assert choice.segment.dead_share == max(segment.dead_share for segment in segments)


def test_the_rate_follows_what_is_dead() -> None:
    assert rewrite_rate(0, 0.1, LIMITS) == float("inf")
    assert rewrite_rate(10, 0.0, LIMITS) == rewrite_rate(10, 0.3, LIMITS) == 10
    assert rewrite_rate(10, 0.3 + DOUBLING_SHARE, LIMITS) == pytest.approx(20)
    assert rewrite_rate(10, 0.3 + 3 * DOUBLING_SHARE, LIMITS) == pytest.approx(80)
    assert rewrite_rate(10, 1.0, LIMITS) == 10 * 1024


def test_the_share_of_nothing_is_nothing() -> None:
    assert total_dead_share([]) == 0.0
