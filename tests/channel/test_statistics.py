"""What the channel counts, under the names that INFO shows."""

from __future__ import annotations

from kiwi_engine.channel.statistics import ChannelStatistics


def test_times_and_peaks_begin_anew() -> None:
    statistics = ChannelStatistics()
    statistics.unanswered(5, 100)
    statistics.unanswered(3, 200)
    statistics.in_queue.record_ns(3 * 8_000, 3)
    statistics.in_storage.record_ns(1_000_000)
    statistics.backpressure_ns = 5_600_000
    facts = statistics.facts()
    assert (facts["requests_peak"], facts["bytes_peak"]) == (5, 200)
    assert [facts[f"queue_us_{name}"] for name in ("avg", "p50", "p99", "p999", "max")] == [8] * 5
    assert [facts[f"storage_us_{name}"] for name in ("avg", "p999", "max")] == [1000] * 3
    assert facts["backpressure_ms"] == 5
    statistics.reset()
    assert set(statistics.facts().values()) == {0}
    assert set(statistics.facts()) == set(facts)


def test_one_slow_run_in_a_thousand_is_seen() -> None:
    statistics = ChannelStatistics()
    statistics.in_storage.record_ns(998 * 10_000, 998)
    statistics.in_storage.record_ns(2 * 50_000_000, 2)
    facts = statistics.facts()
    assert facts["storage_us_p99"] == 16
    assert facts["storage_us_p999"] == facts["storage_us_max"] == 50_000
