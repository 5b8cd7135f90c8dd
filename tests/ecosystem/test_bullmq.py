"""BullMQ: jobs, delays, priorities, flows, schedules and events; all of it in scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from bullmq import FlowProducer, Job, Queue, QueueEvents, Worker

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, end, eventually

Flow = Callable[[Queue], Awaitable[None]]


async def process(job: Job, token: str) -> Any:
    """What a worker does with a job, by its name."""
    match job.name:
        case "add":
            return job.data["left"] + job.data["right"]
        case "succeed at last" if job.attemptsMade < 1:
            raise RuntimeError("not yet")
        case "total":
            values = await job.getChildrenValues()
            return sum(values.values())
        case "progress":
            await job.updateProgress(50)
    return job.name


@asynccontextmanager
async def opened(url: str, name: str) -> AsyncIterator[Queue]:
    queue = Queue(name, {"connection": url})
    try:
        async with asyncio.timeout(RESULT_TIMEOUT_SECONDS):
            yield queue
    finally:
        await queue.close()


@asynccontextmanager
async def working(url: str, name: str) -> AsyncIterator[Queue]:
    async with opened(url, name) as queue:
        worker = Worker(name, process, {"connection": url, "autorun": False, "drainDelay": 1})
        running = asyncio.create_task(worker.run())
        try:
            yield queue
        finally:
            await worker.close(force=True)
            await end(running)


def run(url: str, flow: Flow) -> None:
    async def whole() -> None:
        async with working(url, flow.__qualname__.split(".")[0]) as queue:
            await flow(queue)

    asyncio.run(whole())


async def finished(queue: Queue, job: Job) -> Any:
    """What a job returned, once it is completed."""

    async def is_completed() -> bool:
        return bool(await queue.getJobState(job.id) == "completed")

    await eventually(is_completed)
    return (await Job.fromId(queue, job.id)).returnvalue


def test_a_job_gives_its_result(url: str) -> None:
    async def flow(queue: Queue) -> None:
        job = await queue.add("add", {"left": 2, "right": 3})
        assert await finished(queue, job) == 5
        added = await queue.addBulk(
            [{"name": "add", "data": {"left": number, "right": 1}} for number in range(3)]
        )
        assert [await finished(queue, job) for job in added] == [1, 2, 3]
        assert (await queue.getJobCounts("completed"))["completed"] == 4

    run(url, flow)


def test_a_failed_job_is_tried_again(url: str) -> None:
    async def flow(queue: Queue) -> None:
        job = await queue.add("succeed at last", {}, {"attempts": 2, "backoff": 10})
        assert await finished(queue, job) == "succeed at last"

    run(url, flow)


def test_a_job_waits_for_its_time(url: str) -> None:
    async def flow(queue: Queue) -> None:
        job = await queue.add("later", {}, {"delay": 100})
        assert await finished(queue, job) == "later"

    run(url, flow)


def test_a_parent_waits_for_its_children(url: str) -> None:
    async def flow(queue: Queue) -> None:
        producer = FlowProducer(url)
        children = [
            {"name": "add", "queueName": queue.name, "data": {"left": number, "right": 1}}
            for number in range(3)
        ]
        parent = {"name": "total", "queueName": queue.name, "data": {}, "children": children}
        tree = await producer.add(parent)
        assert await finished(queue, tree["job"]) == 6
        await producer.close()

    run(url, flow)


def test_a_job_is_repeated_by_its_schedule(url: str) -> None:
    async def flow(queue: Queue) -> None:
        await queue.upsertJobScheduler("tick", {"every": 50}, "tick", {})

        async def is_repeated() -> bool:
            return bool(await queue.getCompletedCount() >= 2)

        await eventually(is_repeated)
        await queue.removeJobScheduler("tick")
        assert await queue.getJobSchedulersCount() == 0

    run(url, flow)


def test_jobs_come_by_priority_and_are_removed(url: str) -> None:
    async def flow() -> None:
        async with opened(url, "priorities") as queue:
            for priority in (9, 1, 5):
                await queue.add(f"job {priority}", {}, {"priority": priority})
            assert [job.name for job in await queue.getPrioritized()] == ["job 1", "job 5", "job 9"]
            await queue.pause()
            assert await queue.isPaused()
            first = (await queue.getPrioritized())[0]
            await first.remove()
            assert await queue.getJobCountByTypes("prioritized") == 2
            await queue.obliterate(force=True)
            assert await queue.getJobCountByTypes("prioritized") == 0

    asyncio.run(flow())


def test_events_tell_what_happens(url: str) -> None:
    async def flow(queue: Queue) -> None:
        completed: list[Any] = []
        done = asyncio.Event()

        def on_completed(event: dict[str, Any], _identity: str) -> None:
            completed.append(event["returnvalue"])
            done.set()

        options = {"connection": url, "lastEventId": "0", "blockingTimeout": 1000}
        events = QueueEvents(queue.name, options)
        events.on("completed", on_completed)
        await queue.add("add", {"left": 20, "right": 1})
        await done.wait()
        assert completed == [21]
        await events.close()

    run(url, flow)


def test_old_jobs_are_cleaned(url: str) -> None:
    async def flow(queue: Queue) -> None:
        job = await queue.add("done", {})
        assert await finished(queue, job) == "done"

        async def is_cleaned() -> bool:
            return bool(await queue.clean(0, 10, "completed") == [job.id])

        await eventually(is_cleaned)
        assert await queue.getJob(job.id) is None

    run(url, flow)
