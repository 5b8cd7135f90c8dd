"""Spikes: one sample a second and event, and what is said about them."""

from __future__ import annotations

import pytest

from kiwi_engine.histogram import Histogram, cumulative, percentile_us
from kiwi_engine.server.network.latency.doctor import OFF, report
from kiwi_engine.server.network.latency.graph import draw
from kiwi_engine.server.network.latency.monitor import SAMPLES_MAX, LatencyMonitor, Sample
from kiwi_engine.server.network.local.info_text import latency_fields


def test_only_what_reaches_the_threshold_counts() -> None:
    monitor = LatencyMonitor(5)
    monitor.add("command", 4, 100)
    assert monitor.events() == []
    monitor.add("command", 5, 100)
    assert monitor.samples("command") == [Sample(100, 5)]
    monitor.threshold_ms = 0
    monitor.add("command", 500, 101)
    assert len(monitor.samples("command")) == 1


def test_the_worst_of_a_second_stays() -> None:
    monitor = LatencyMonitor(1)
    for milliseconds in (5, 9, 7):
        monitor.add("command", milliseconds, 100)
    monitor.add("command", 3, 101)
    assert monitor.samples("command") == [Sample(100, 9), Sample(101, 3)]
    assert monitor.worst_ms("command") == 9
    for second in range(200, 200 + SAMPLES_MAX):
        monitor.add("command", 1, second)
    assert monitor.samples("command")[0] == Sample(200, 1)
    assert monitor.worst_ms("command") == 9


def test_a_reset_counts_what_it_forgot() -> None:
    monitor = LatencyMonitor(1)
    for event in ("command", "wal-sync", "expire-cycle"):
        monitor.add(event, 2, 100)
    assert monitor.reset(["command", "command", "nothing"]) == 1
    assert monitor.events() == ["expire-cycle", "wal-sync"]
    assert monitor.reset([]) == 2
    assert monitor.worst_ms("wal-sync") == 0


def test_the_graph_has_a_column_a_sample_and_its_age_below() -> None:
    picture = draw("wal-sync", [Sample(10, 1), Sample(70, 100), Sample(100, 50)], 120, 100)
    lines = picture.splitlines()
    assert lines[0] == "wal-sync - high 100 ms, low 1 ms (all time high 120 ms)"
    assert lines[2:6] == [" #", " |", " |#", "_||"]
    # 90, 30 and 0 seconds ago, read downwards.
    assert lines[7:] == ["130", "m0s", " s"]


@pytest.mark.parametrize(
    ("threshold", "spikes", "said"),
    [
        (0, [], OFF),
        (5, [], "Nothing took 5 ms or longer."),
        (5, [(10, 8), (30, 12)], "wal-sync: 2 spikes, one in 20.0 s, 10.0 ms on average, worst 12"),
    ],
)
def test_the_doctor(threshold: int, spikes: list[tuple[int, int]], said: str) -> None:
    monitor = LatencyMonitor(threshold)
    for second, milliseconds in spikes:
        monitor.add("wal-sync", milliseconds, second)
    assert report(monitor).startswith(said)


def test_a_row_of_equal_commands_counts_as_so_many_of_the_mean() -> None:
    histogram = Histogram()
    histogram.record_ns(10 * 3000, 10)
    histogram.record_ns(100_000)
    assert cumulative(histogram.counts()) == [(4, 10), (128, 11)]
    assert percentile_us(histogram.counts(), 50) == 4
    assert histogram.percentile_us(100) == histogram.maximum_us == 100
    assert (histogram.take_worst_us(), histogram.take_worst_us()) == (100, 0)
    assert latency_fields({"get": histogram.counts()}, [50, 99.9]) == {
        "latency_percentiles_usec_get": {"p50": "4.000", "p99.9": "128.000"}
    }
