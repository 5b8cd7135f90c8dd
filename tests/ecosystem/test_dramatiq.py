"""Dramatiq: messages, groups, retries, rate limits; a worker process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import (
    Barrier,
    BucketRateLimiter,
    ConcurrentRateLimiter,
    WindowRateLimiter,
)
from dramatiq.rate_limits.backends import RedisBackend

from tests.ecosystem.applications import dramatiq_actors
from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, worker
from tests.support.servers import wait_until

TIMEOUT_MS = RESULT_TIMEOUT_SECONDS * 1000
WORKER = ["dramatiq", dramatiq_actors.__name__, "--processes", "1", "--threads", "2"]


@pytest.fixture(scope="module")
def broker(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisBroker]:
    output_path: Path = tmp_path_factory.mktemp("dramatiq") / "worker.output"
    broker = dramatiq_actors.make_broker(url)
    with worker([*WORKER, "--worker-shutdown-timeout", "1000"], url, output_path):
        yield broker
    broker.close()
    broker.client.close()


def test_a_message_gives_its_result(broker: RedisBroker) -> None:
    message = broker.get_actor("add").send(2, 3)
    assert message.get_result(block=True, timeout=TIMEOUT_MS, backend=backend(broker)) == 5


def backend(broker: RedisBroker) -> dramatiq.results.ResultBackend:
    """Where the results are; messages look for it at the global broker."""
    return broker.get_results_backend()


def test_a_pipeline_hands_results_on(broker: RedisBroker) -> None:
    add = broker.get_actor("add")
    pipeline = dramatiq.pipeline([add.message(1, 2), add.message(10)], broker=broker)
    last = pipeline.run().messages[-1]
    assert last.get_result(block=True, timeout=TIMEOUT_MS, backend=backend(broker)) == 13


def test_a_group_calls_back(broker: RedisBroker) -> None:
    add, record = broker.get_actor("add"), broker.get_actor("record")
    group = dramatiq.group([add.message(number, 1) for number in range(3)], broker=broker)
    group.add_completion_callback(record.message("group done"))
    group.run()
    wait_until(lambda: broker.client.get("group done") == b"done", "the callback of the group")


def test_a_failed_message_is_tried_again(broker: RedisBroker) -> None:
    message = broker.get_actor("succeed_at_last").send()
    results = backend(broker)

    def is_done() -> bool:
        try:
            return bool(results.get_result(message) == 1)
        except (dramatiq.results.ResultMissing, dramatiq.results.ResultFailure):
            return False

    wait_until(is_done, "the second try")


def test_a_message_waits_for_its_time(broker: RedisBroker) -> None:
    message = broker.get_actor("add").send_with_options(args=(4, 4), delay=100)
    assert message.get_result(block=True, timeout=TIMEOUT_MS, backend=backend(broker)) == 8


def test_rate_limits_hold(broker: RedisBroker) -> None:
    limits = RedisBackend(client=broker.client)
    alone = ConcurrentRateLimiter(limits, "alone", limit=1, ttl=60_000)
    with alone.acquire(), alone.acquire(raise_on_failure=False) as second:
        assert not second
    window = WindowRateLimiter(limits, "window", limit=2, window=60)
    bucket = BucketRateLimiter(limits, "bucket", limit=2, bucket=600_000)
    for limiter in (window, bucket):
        taken = []
        for _ in range(3):
            with limiter.acquire(raise_on_failure=False) as got_it:
                taken.append(got_it)
        assert taken == [True, True, False]


def test_a_barrier_opens_for_the_last(broker: RedisBroker) -> None:
    barrier = Barrier(RedisBackend(client=broker.client), "barrier", ttl=60_000)
    assert barrier.create(parties=2)
    assert not barrier.wait(block=False)
    assert barrier.wait(block=False)
    assert barrier.wait(timeout=1000)
