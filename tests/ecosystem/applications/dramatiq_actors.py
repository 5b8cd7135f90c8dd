"""Dramatiq: the actors, on a broker that both the worker and the tests make."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage, GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as RateLimiterBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as ResultBackend
from redis import Redis

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, URL_VARIABLE


def make_broker(url: str) -> RedisBroker:
    """A broker with results and callbacks, whose actors are those of this module."""
    # Waiting for a result takes one long BRPOPLPUSH, which redis-py would give up.
    client = Redis.from_url(url, socket_timeout=2 * RESULT_TIMEOUT_SECONDS)
    broker = RedisBroker(client=client)
    broker.add_middleware(Results(backend=ResultBackend(client=client)))
    broker.add_middleware(GroupCallbacks(RateLimiterBackend(client=client)))
    broker.add_middleware(CurrentMessage())
    options: dict[str, Any] = {"broker": broker, "store_results": True, "max_backoff": 20}
    dramatiq.actor(actor_name="add", **options)(add)
    dramatiq.actor(actor_name="record", **options)(record)
    dramatiq.actor(actor_name="succeed_at_last", min_backoff=10, **options)(succeed_at_last)
    return broker


def add(left: int, right: int) -> int:
    """An actor with a result."""
    return left + right


def succeed_at_last() -> int:
    """An actor that fails when it is tried for the first time."""
    message = CurrentMessage.get_current_message()
    assert message is not None
    retries = int(message.options.get("retries", 0))
    if not retries:
        raise RuntimeError("not yet")
    return retries


def record(key: str) -> None:
    """What is called when a group is done: leaves a mark."""
    broker = dramatiq.get_broker()
    assert isinstance(broker, RedisBroker)
    broker.client.set(key, "done")


if URL_VARIABLE in os.environ:
    dramatiq.set_broker(make_broker(os.environ[URL_VARIABLE]))
