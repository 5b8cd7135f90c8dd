"""aiocache: an asynchronous cache with optimistic and pessimistic locks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiocache import RedisCache, cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer, PickleSerializer

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, Address, choice, eventually

# aiocache calls methods of redis-py that are to go.
pytestmark = [
    pytest.mark.usefixtures("url"),
    pytest.mark.filterwarnings("ignore:Call to deprecated (close|setex):DeprecationWarning"),
]


def run(address: Address, protocol: int, flow: Callable[[RedisCache], Awaitable[None]]) -> None:
    async def with_cache() -> None:
        async with RedisCache(
            endpoint=address.host,
            port=address.port,
            namespace="site",
            serializer=JsonSerializer(),
            connection_pool_kwargs=choice(protocol),
        ) as cache:
            await flow(cache)

    asyncio.run(with_cache())


def test_values_live_until_they_expire_or_are_deleted(address: Address, protocol: int) -> None:
    async def flow(cache: RedisCache) -> None:
        assert await cache.set("user", {"name": "anna"}, ttl=60)
        assert await cache.get("user") == {"name": "anna"}
        assert await cache.exists("user")
        with pytest.raises(ValueError, match="already exists"):
            await cache.add("user", "other")
        assert await cache.expire("user", 120)
        assert await cache.delete("user") == 1
        assert await cache.get("user") is None
        await cache.set("short", 1, ttl=0.01)

        async def is_gone() -> bool:
            return await cache.get("short") is None

        await eventually(is_gone)

    run(address, protocol, flow)


def test_many_values_at_once(address: Address, protocol: int) -> None:
    async def flow(cache: RedisCache) -> None:
        assert await cache.multi_set([("a", 1), ("b", [2])], ttl=60)
        assert await cache.multi_get(["a", "b", "c"]) == [1, [2], None]
        assert await cache.clear(namespace="site")
        assert not await cache.exists("a")

    run(address, protocol, flow)


def test_a_counter_is_raised(address: Address, protocol: int) -> None:
    async def flow(cache: RedisCache) -> None:
        assert [await cache.increment("visits", 2) for _ in range(2)] == [2, 4]
        await cache.set("word", "text")
        with pytest.raises(TypeError):
            await cache.increment("word")

    run(address, protocol, flow)


def test_a_function_is_computed_once(address: Address, protocol: int) -> None:
    calls: list[int] = []

    async def flow(_: RedisCache) -> None:
        @cached(
            cache=RedisCache,
            endpoint=address.host,
            port=address.port,
            serializer=PickleSerializer(),
            connection_pool_kwargs=choice(protocol),
        )
        async def square(number: int) -> int:
            calls.append(number)
            return number * number

        assert [await square(7), await square(7)] == [49, 49]
        await square.cache.close()

    run(address, protocol, flow)
    assert calls == [7]


def test_a_lock_is_released_by_its_owner_only(address: Address, protocol: int) -> None:
    async def flow(cache: RedisCache) -> None:
        async with RedLock(cache, "report", lease=RESULT_TIMEOUT_SECONDS):
            # Who is second waits as long as it may, then goes on without the lock.
            async with RedLock(cache, "report", lease=0.05):
                pass
            assert await cache.exists("report-lock")
        assert not await cache.exists("report-lock")

    run(address, protocol, flow)


def test_a_change_in_between_is_noticed(address: Address, protocol: int) -> None:
    async def flow(cache: RedisCache) -> None:
        await cache.set("balance", 1)
        async with OptimisticLock(cache, "balance") as lock:
            await lock.cas(2)
        assert await cache.get("balance") == 2
        async with OptimisticLock(cache, "balance") as lock:
            await cache.set("balance", 10)
            with pytest.raises(OptimisticLockError):
                await lock.cas(3)
        assert await cache.get("balance") == 10

    run(address, protocol, flow)
