"""SAQ: jobs that are pushed, scheduled, aborted and listened to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from saq import Queue, Status, Worker
from saq.queue import JobError
from saq.queue.redis import RedisQueue
from saq.types import PartialTimersDict

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, eventually

# SAQ calls methods of redis-py that are to go.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning:saq")
Flow = Callable[[Queue], Awaitable[None]]


async def add(context: dict[str, Any], *, left: int, right: int) -> int:
    return left + right


async def succeed_at_last(context: dict[str, Any]) -> int:
    attempts = int(context["job"].attempts)
    if attempts < 2:
        raise RuntimeError("not yet")
    return attempts


async def wait_for_ever(context: dict[str, Any]) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def working(url: str) -> AsyncIterator[Queue]:
    queue = RedisQueue.from_url(url, name="ecosystem")
    await queue.connect()
    worker: Worker[Any] = Worker(
        queue,
        functions=[add, succeed_at_last, wait_for_ever],
        concurrency=2,
        timers=PartialTimersDict(schedule=1, worker_info=1, sweep=60, abort=1),
        dequeue_timeout=1,
    )
    task = asyncio.create_task(worker.start())

    async def has_swept() -> bool:
        return bool(await queue.redis.exists(queue.namespace("sweep")))

    # What a beginning worker finds half started it takes for left over.
    await eventually(has_swept)
    try:
        async with asyncio.timeout(RESULT_TIMEOUT_SECONDS):
            yield queue
    finally:
        await worker.stop()
        await task
        await queue.disconnect()


def run(url: str, flow: Flow) -> None:
    async def whole() -> None:
        async with working(url) as queue:
            await flow(queue)

    asyncio.run(whole())


def test_a_job_gives_its_result(url: str) -> None:
    async def flow(queue: Queue) -> None:
        assert await queue.apply("add", left=2, right=3, poll_interval=0.02) == 5
        arguments = [{"left": number, "right": 1} for number in range(3)]
        assert await queue.map("add", arguments, poll_interval=0.02) == [1, 2, 3]

    run(url, flow)


def test_a_failed_job_is_tried_again(url: str) -> None:
    async def flow(queue: Queue) -> None:
        assert await queue.apply("succeed_at_last", retries=2, poll_interval=0.02) == 2
        with pytest.raises(JobError):
            await queue.apply("succeed_at_last", retries=1, poll_interval=0.02)

    run(url, flow)


def test_a_job_waits_for_its_time(url: str) -> None:
    async def flow(queue: Queue) -> None:
        job = await queue.enqueue("add", left=1, right=1, scheduled=time.time() + 1)
        assert job is not None
        assert await queue.count("incomplete") == 1
        await job.refresh(until_complete=RESULT_TIMEOUT_SECONDS)
        assert (job.status, job.result) == (Status.COMPLETE, 2)

    run(url, flow)


def test_a_job_is_enqueued_once(url: str) -> None:
    async def flow(queue: Queue) -> None:
        first = await queue.enqueue("wait_for_ever", key="only")
        assert first is not None
        assert await queue.enqueue("wait_for_ever", key="only") is None

        async def runs() -> bool:
            await first.refresh()
            return bool(first.status is Status.ACTIVE)

        await eventually(runs)
        await first.abort("no longer wanted")

        async def is_aborted() -> bool:
            await first.refresh()
            return bool(first.status is Status.ABORTED)

        await eventually(is_aborted)

    run(url, flow)


def test_a_worker_reports_itself(url: str) -> None:
    async def flow(queue: Queue) -> None:
        async def is_known() -> bool:
            return len((await queue.info())["workers"]) == 1

        await eventually(is_known)

    run(url, flow)
