"""taskiq-redis: brokers on lists, streams and pub/sub, results, schedules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from taskiq import ScheduledTask, SmartRetryMiddleware, TaskiqScheduler
from taskiq.api import run_receiver_task, run_scheduler_task
from taskiq_redis import (
    ListQueueBroker,
    ListRedisScheduleSource,
    PubSubBroker,
    RedisAsyncResultBackend,
    RedisStreamBroker,
)
from taskiq_redis.redis_broker import BaseRedisBroker

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, end, eventually

# A receiver that is ended leaves the connection open on which it waited.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore:(unclosed|loop is closed):ResourceWarning"),
]
Flow = Callable[[BaseRedisBroker], Awaitable[None]]
BROKERS: dict[str, Callable[[str], BaseRedisBroker]] = {
    "list": lambda url: ListQueueBroker(url, queue_name="tasks"),
    "stream": lambda url: RedisStreamBroker(url, queue_name="stream", xread_block=100),
    "pubsub": lambda url: PubSubBroker(url, queue_name="channel"),
}


async def add(left: int, right: int) -> int:
    return left + right


_calls: list[str] = []


async def succeed_at_last() -> int:
    _calls.append("call")
    if len(_calls) < 2:
        raise RuntimeError("not yet")
    return len(_calls)


@asynccontextmanager
async def working(url: str, kind: str) -> AsyncIterator[BaseRedisBroker]:
    _calls.clear()
    broker = BROKERS[kind](url)
    broker.with_result_backend(RedisAsyncResultBackend(url, result_ex_time=60))
    broker.with_middlewares(SmartRetryMiddleware(default_retry_count=2, default_delay=0.01))
    broker.register_task(add, "add")
    broker.register_task(succeed_at_last, "succeed_at_last", retry_on_error=True)
    await broker.startup()
    receiver = asyncio.create_task(run_receiver_task(broker))
    try:
        async with asyncio.timeout(RESULT_TIMEOUT_SECONDS):
            yield broker
    finally:
        await end(receiver)
        await broker.shutdown()


def run(url: str, kind: str, flow: Flow) -> None:
    async def whole() -> None:
        async with working(url, kind) as broker:
            await flow(broker)

    asyncio.run(whole())


async def result_of(broker: BaseRedisBroker, name: str, *arguments: int) -> object:
    task = broker.find_task(name)
    assert task is not None
    sent = await task.kiq(*arguments)
    result = await sent.wait_result(check_interval=0.01, timeout=RESULT_TIMEOUT_SECONDS)
    result.raise_for_error()
    return result.return_value


@pytest.mark.parametrize("kind", ["list", "stream"])
def test_a_task_gives_its_result(url: str, kind: str) -> None:
    async def flow(broker: BaseRedisBroker) -> None:
        assert await result_of(broker, "add", 2, 3) == 5
        results = [result_of(broker, "add", number, 1) for number in range(5)]
        assert await asyncio.gather(*results) == [1, 2, 3, 4, 5]

    run(url, kind, flow)


def test_all_workers_get_what_is_published(url: str) -> None:
    async def flow(broker: BaseRedisBroker) -> None:
        async with Redis.from_url(url) as redis:

            async def is_subscribed() -> bool:
                return bool(await redis.pubsub_numsub("channel") == [(b"channel", 1)])

            await eventually(is_subscribed)
        assert await result_of(broker, "add", 2, 3) == 5

    run(url, "pubsub", flow)


def test_a_failed_task_is_tried_again(url: str) -> None:
    async def flow(broker: BaseRedisBroker) -> None:
        assert await result_of(broker, "succeed_at_last") == 2

    run(url, "list", flow)


def test_a_task_of_a_dead_worker_is_taken_over(url: str) -> None:
    async def flow() -> None:
        dead, alive = (
            RedisStreamBroker(url, queue_name="left over", xread_block=100, idle_timeout=1)
            for _ in range(2)
        )
        for broker in (dead, alive):
            broker.register_task(add, "add")
            await broker.startup()
        task = dead.find_task("add")
        assert task is not None
        await task.kiq(1, 1)
        lost = await anext(aiter(dead.listen()))
        await task.kiq(2, 2)
        deliveries = aiter(alive.listen())
        found = [await anext(deliveries) for _ in range(2)]
        assert lost.data == found[1].data != found[0].data
        for delivery in found:
            acknowledged = delivery.ack()
            assert acknowledged is not None
            await acknowledged
        for broker in (dead, alive):
            await broker.shutdown()

    asyncio.run(asyncio.wait_for(flow(), RESULT_TIMEOUT_SECONDS))


def test_a_scheduled_task_is_sent_when_it_is_due(url: str) -> None:
    async def flow(broker: BaseRedisBroker) -> None:
        source = ListRedisScheduleSource(url, prefix="schedule")
        await source.startup()
        await source.add_schedule(
            ScheduledTask(
                task_name="succeed_at_last", labels={}, args=[], kwargs={}, time=datetime.now(UTC)
            )
        )
        scheduler = TaskiqScheduler(broker, [source])
        running = asyncio.create_task(run_scheduler_task(scheduler, interval=timedelta(seconds=1)))

        async def is_called() -> bool:
            return bool(_calls)

        await eventually(is_called)

        async def is_forgotten() -> bool:
            return await source.get_schedules() == []

        await eventually(is_forgotten)
        await end(running)
        await source.shutdown()

    run(url, "list", flow)
