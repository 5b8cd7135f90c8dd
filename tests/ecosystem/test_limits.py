"""limits: rate limits of three strategies, synchronous and asynchronous."""

from __future__ import annotations

import asyncio

import pytest
from limits import RateLimitItem, parse, strategies
from limits.aio import strategies as aio_strategies
from limits.aio.storage import RedisStorage as AsyncRedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.storage import RedisStorage

from tests.support.servers import wait_until

STRATEGIES = [
    (strategies.FixedWindowRateLimiter, aio_strategies.FixedWindowRateLimiter),
    (strategies.MovingWindowRateLimiter, aio_strategies.MovingWindowRateLimiter),
    (strategies.SlidingWindowCounterRateLimiter, aio_strategies.SlidingWindowCounterRateLimiter),
]
NAMES = ["fixed", "moving", "sliding"]


@pytest.fixture
def three_a_minute() -> RateLimitItem:
    return parse("3/minute")


@pytest.mark.parametrize("strategy", [pair[0] for pair in STRATEGIES], ids=NAMES)
def test_a_limit_holds(
    url: str, strategy: type[strategies.RateLimiter], three_a_minute: RateLimitItem
) -> None:
    limiter = strategy(RedisStorage(url))
    user = strategy.__name__
    assert limiter.test(three_a_minute, user)
    assert [limiter.hit(three_a_minute, user) for _ in range(4)] == [True, True, True, False]
    assert not limiter.test(three_a_minute, user)
    assert limiter.get_window_stats(three_a_minute, user).remaining == 0
    assert limiter.hit(three_a_minute, user, "other path")
    limiter.clear(three_a_minute, user)
    assert limiter.hit(three_a_minute, user)


def test_a_window_ends(url: str) -> None:
    limiter = strategies.MovingWindowRateLimiter(RedisStorage(url))
    one_a_second = parse("1/second")
    assert limiter.hit(one_a_second, "ends")
    assert not limiter.hit(one_a_second, "ends")
    wait_until(lambda: limiter.hit(one_a_second, "ends"), "the end of the window")


def test_a_storage_forgets_all_at_once(url: str, three_a_minute: RateLimitItem) -> None:
    storage = RedisStorage(url)
    limiter = strategies.FixedWindowRateLimiter(storage)
    assert all(limiter.hit(three_a_minute, f"user {number}") for number in range(5))
    assert storage.check()
    deleted = storage.reset()
    assert deleted is not None
    assert deleted >= 5


@pytest.mark.parametrize("strategy", [pair[1] for pair in STRATEGIES], ids=NAMES)
def test_a_limit_holds_in_an_event_loop(
    url: str, strategy: type[aio_strategies.RateLimiter], three_a_minute: RateLimitItem
) -> None:
    async def flow() -> None:
        storage = AsyncRedisStorage(f"async+{url}", implementation="redispy")
        limiter = strategy(storage)
        hits = [await limiter.hit(three_a_minute, "in a loop", strategy.__name__) for _ in range(4)]
        assert hits == [True, True, True, False]
        assert isinstance(storage.bridge, RedispyBridge)
        await storage.bridge.storage.aclose()

    asyncio.run(flow())
