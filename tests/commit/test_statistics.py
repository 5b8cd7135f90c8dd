"""Counters and histograms of the commit path."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commit.statistics import CommitStatistics
from kiwi_engine.histogram import Histogram


def test_an_empty_histogram_is_all_zeros() -> None:
    assert Histogram().facts("sync") == {
        "sync_us_avg": 0,
        "sync_us_p50": 0,
        "sync_us_p99": 0,
        "sync_us_max": 0,
    }


@given(st.lists(st.integers(0, 10**14), min_size=1, max_size=50), st.sampled_from([1, 50, 99, 100]))
def test_a_percentile_is_at_most_twice_the_true_one(durations: list[int], percent: int) -> None:
    histogram = Histogram()
    for duration_ns in durations:
        histogram.record_ns(duration_ns)
    rank = max(1, -(-len(durations) * percent // 100))
    true_us = sorted(durations)[rank - 1] // 1000
    found_us = histogram.percentile_us(percent)
    assert true_us <= found_us <= max(2 * true_us, 1)
    assert found_us <= histogram.maximum_us == max(durations) // 1000


def test_the_mean_and_the_maximum_are_exact() -> None:
    histogram = Histogram()
    for duration_us in (1, 2, 900):
        histogram.record_ns(duration_us * 1000)
    facts = histogram.facts("commit")
    assert (facts["commit_us_avg"], facts["commit_us_max"]) == (301, 900)


def test_a_reset_forgets_everything_but_the_last_error() -> None:
    statistics = CommitStatistics()
    statistics.groups, statistics.syncs, statistics.last_sync_error = 3, 2, "it broke"
    statistics.sync.record_ns(5000)
    statistics.reset()
    assert (statistics.groups, statistics.syncs, statistics.sync.count) == (0, 0, 0)
    assert statistics.last_sync_error == "it broke"
