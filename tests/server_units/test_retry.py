"""How long reads wait before they are asked again, and how often they are."""

from __future__ import annotations

from random import Random

import pytest

from kiwi_engine.server.network.storage_client.retry import RetryPolicy

MS = 1_000_000


@pytest.mark.parametrize(
    ("deaths", "longest_ms"), [(1, 10), (2, 20), (3, 40), (8, 1280), (9, 2000), (1000, 2000)]
)
def test_pauses_double_and_differ(deaths: int, longest_ms: int) -> None:
    policy = RetryPolicy(Random(7))
    policy.configure(10 * MS, 5)
    pauses = [policy.pause_ns(deaths) for _ in range(200)]
    assert longest_ms * MS // 2 <= min(pauses) < max(pauses) <= longest_ms * MS
    assert len(set(pauses)) > 190, "clients do not come back all at once"


def test_no_backoff_is_no_pause() -> None:
    policy = RetryPolicy(Random(7))
    policy.configure(0, 5)
    assert policy.pause_ns(9) == 0


def test_the_number_of_retries_is_bounded() -> None:
    policy = RetryPolicy(Random(7))
    policy.configure(0, 2)
    assert [policy.may_retry(deaths) for deaths in (1, 2, 3)] == [True, True, False]
    policy.configure(0, 0)
    assert not policy.may_retry(1)
