"""What the comparison makes of redis-benchmark's answers."""

from __future__ import annotations

import pytest

from benchmarks.cases import CASES, Case, Measurement, parse_output
from benchmarks.report import Comparison

OUTPUT = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",'
    '"p99_latency_ms","max_latency_ms"\n'
    '"SET","39525.69","0.758","0.208","0.655","1.463","3.327","4.607"\n'
)
CASE = Case("SET small", "set", 100, 1, 1, 64, 0.8)


def comparison(**rates: list[float]) -> Comparison:
    result = Comparison({"cpu": "one"}, dict.fromkeys(rates, "1.0"), [CASE])
    for name, values in rates.items():
        for value in values:
            result.add(CASE, name, Measurement(value, 0.1, 0.2))
    return result


def test_output_is_parsed() -> None:
    assert parse_output(OUTPUT) == Measurement(39525.69, 0.655, 3.327)


@pytest.mark.parametrize("output", ["", "WARNING\n", OUTPUT.splitlines()[0]])
def test_other_output_is_an_error(output: str) -> None:
    with pytest.raises(ValueError, match="not the output"):
        parse_output(output)


def test_the_ratio_is_that_of_medians_to_the_better_of_the_others() -> None:
    result = comparison(kiwi=[1, 90, 1000], redis=[50, 100, 60], valkey=[100, 99, 101])
    assert result.median(CASE, "kiwi") == 90
    assert result.ratio(CASE) == 0.9
    assert result.misses() == []


def test_a_missed_goal_is_named() -> None:
    result = comparison(kiwi=[50], redis=[100])
    assert result.misses() == ["SET small: 0.50, goal 0.8"]
    assert result.as_data()["cases"][0]["ratio"] == 0.5


def test_the_table_has_a_row_for_each_case() -> None:
    page = comparison(kiwi=[50_000], redis=[100_000]).as_markdown()
    assert "| SET small | 50.0 (50.0-50.0) | 100.0 (100.0-100.0) | 0.50 | 0.8 |" in page


def test_alone_there_is_no_ratio() -> None:
    result = comparison(kiwi=[50])
    assert result.ratio(CASE) is None
    assert result.misses() == []
    assert "| - |" in result.as_markdown()


def test_a_shortened_run_still_uses_every_connection() -> None:
    for case in CASES:
        words = case.arguments(7379, 0.0001)
        requests = int(words[words.index("-n") + 1])
        assert requests >= case.clients * case.pipeline
