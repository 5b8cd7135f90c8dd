"""arq: jobs, retries, aborts and health of an asynchronous worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from arq import ArqRedis, Retry, Worker
from arq.jobs import Job, JobStatus
from redis.asyncio import ConnectionPool

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, eventually

# arq calls a method of redis-py that is to go.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")
Flow = Callable[[ArqRedis], Awaitable[None]]
HEALTH_KEY = "arq:queue:health-check"
_started = threading.Event()


async def add(context: dict[str, Any], left: int, right: int) -> int:
    return left + right


async def succeed_at_last(context: dict[str, Any]) -> int:
    if context["job_try"] < 2:
        raise Retry(defer=0.05)
    return int(context["job_try"])


async def wait_for_ever(context: dict[str, Any]) -> None:
    _started.set()
    await asyncio.Event().wait()


FUNCTIONS: list[Any] = [add, succeed_at_last, wait_for_ever]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ArqRedis]:
    redis = ArqRedis(ConnectionPool.from_url(url))
    try:
        yield redis
    finally:
        await redis.connection_pool.disconnect()


async def work(url: str) -> None:
    """Run a worker until the queue is empty."""
    async with connected(url) as redis:
        worker = Worker(
            functions=FUNCTIONS,
            redis_pool=redis,
            handle_signals=False,
            burst=True,
            poll_delay=0.02,
            allow_abort_jobs=True,
        )
        await worker.async_run()
        await worker.close()


def run(url: str, flow: Flow) -> None:
    async def whole() -> None:
        async with asyncio.timeout(RESULT_TIMEOUT_SECONDS), connected(url) as redis:
            await redis.flushall()
            await flow(redis)

    asyncio.run(whole())


async def enqueue(redis: ArqRedis, name: str, *arguments: int) -> Job:
    job = await redis.enqueue_job(name, *arguments)
    assert job is not None
    return job


def test_a_job_gives_its_result(url: str) -> None:
    async def flow(redis: ArqRedis) -> None:
        job = await enqueue(redis, "add", 2, 3)
        assert await job.status() is JobStatus.queued
        await work(url)
        assert await job.result(poll_delay=0.02) == 5
        assert await job.status() is JobStatus.complete
        information = await job.result_info()
        assert information is not None
        assert information.function == "add"

    run(url, flow)


def test_a_job_is_tried_again(url: str) -> None:
    async def flow(redis: ArqRedis) -> None:
        job = await enqueue(redis, "succeed_at_last")
        await work(url)
        assert await job.result(poll_delay=0.02) == 2

    run(url, flow)


def test_two_workers_share_the_jobs(url: str) -> None:
    async def flow(redis: ArqRedis) -> None:
        jobs = [await enqueue(redis, "add", number, 1) for number in range(10)]
        await asyncio.gather(work(url), work(url))
        assert [await job.result(poll_delay=0.02) for job in jobs] == list(range(1, 11))

    run(url, flow)


def test_a_job_is_enqueued_once_and_deferred(url: str) -> None:
    async def flow(redis: ArqRedis) -> None:
        job = await redis.enqueue_job("add", 1, 1, _job_id="only", _defer_by=3600)
        assert job is not None
        assert await redis.enqueue_job("add", 1, 1, _job_id="only") is None
        assert await job.status() is JobStatus.deferred
        (queued,) = await redis.queued_jobs()
        assert (queued.function, queued.args) == ("add", (1, 1))

    run(url, flow)


def test_a_running_job_is_aborted(url: str) -> None:
    """On a busy machine arq sometimes says that it does not know; then another job is aborted."""

    async def abort_one(redis: ArqRedis) -> bool:
        _started.clear()
        job = await enqueue(redis, "wait_for_ever")
        worker = asyncio.create_task(work(url))

        async def runs() -> bool:
            return _started.is_set() and bool(await redis.exists(HEALTH_KEY))

        await eventually(runs)
        assert await job.status() is JobStatus.in_progress
        is_aborted = await job.abort(poll_delay=0.02)
        await worker
        assert not await redis.exists(HEALTH_KEY)
        return is_aborted

    async def flow(redis: ArqRedis) -> None:
        assert await abort_one(redis) or await abort_one(redis) or await abort_one(redis)

    run(url, flow)
