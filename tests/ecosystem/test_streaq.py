"""streaQ: tasks over streams, run by functions of the server; its client caches what it reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import coredis
import pytest
from coredis.patterns.cache import LRUCache
from streaq import StreaqRetry, TaskStatus, Worker

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, Address, eventually

# The client of streaQ, coredis, leaves streams of its own open.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
]
Tasks = dict[str, Any]
Flow = Callable[[Tasks], Awaitable[None]]
_calls: list[str] = []


async def add(left: int, right: int) -> int:
    return left + right


async def double(number: int) -> int:
    return 2 * number


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def succeed_at_last() -> int:
    _calls.append("call")
    if len(_calls) < 2:
        raise StreaqRetry("not yet", delay=0)
    return len(_calls)


def make_worker(url: str) -> tuple[Worker[Any], Tasks]:
    worker: Worker[Any] = Worker(redis_url=url, handle_signals=False, queue_name="ecosystem")
    functions = (add, double, wait_for_ever, succeed_at_last)
    return worker, {function.__name__: worker.task(function) for function in functions}


@asynccontextmanager
async def working(url: str) -> AsyncIterator[Tasks]:
    """The tasks as one process enqueues them, while the worker of another one executes them."""
    _calls.clear()
    producer, tasks = make_worker(url)
    consumer, _ = make_worker(url)
    with anyio.fail_after(RESULT_TIMEOUT_SECONDS):
        async with producer, anyio.create_task_group() as group:
            await group.start(consumer.run_async)
            yield tasks
            group.cancel_scope.cancel()


def run(address: Address, flow: Flow) -> None:
    async def whole() -> None:
        async with working(address.url()) as tasks:
            await flow(tasks)

    asyncio.run(whole())


def test_a_task_gives_its_result(empty_address: Address) -> None:
    async def flow(tasks: Tasks) -> None:
        task = await tasks["add"].enqueue(2, 3)
        assert (await task.result(RESULT_TIMEOUT_SECONDS)).result == 5
        assert await task.status() is TaskStatus.DONE

    run(empty_address, flow)


def test_a_task_hands_its_result_on(empty_address: Address) -> None:
    async def flow(tasks: Tasks) -> None:
        task = await tasks["add"].enqueue(2, 3).then(tasks["double"])
        assert (await task.result(RESULT_TIMEOUT_SECONDS)).result == 10

    run(empty_address, flow)


def test_a_task_is_tried_again(empty_address: Address) -> None:
    async def flow(tasks: Tasks) -> None:
        task = await tasks["succeed_at_last"].enqueue()
        assert (await task.result(RESULT_TIMEOUT_SECONDS)).result == 2

    run(empty_address, flow)


def test_a_task_waits_for_its_time(empty_address: Address) -> None:
    async def flow(tasks: Tasks) -> None:
        later = await tasks["add"].enqueue(1, 1).start(delay=3600)
        assert await later.status() is TaskStatus.SCHEDULED
        assert await later.abort()
        soon = await tasks["add"].enqueue(2, 2).start(delay=timedelta(milliseconds=100))
        assert (await soon.result(RESULT_TIMEOUT_SECONDS)).result == 4

    run(empty_address, flow)


def test_a_running_task_is_aborted(empty_address: Address) -> None:
    async def flow(tasks: Tasks) -> None:
        task = await tasks["wait_for_ever"].enqueue()

        async def runs() -> bool:
            return await task.status() is TaskStatus.RUNNING

        await eventually(runs)
        assert await task.abort()

    run(empty_address, flow)


def test_the_client_notices_that_a_value_it_keeps_has_changed(empty_address: Address) -> None:
    async def flow() -> None:
        cache = LRUCache()
        async with (
            coredis.Redis.from_url(empty_address.url(), cache=cache) as reader,
            coredis.Redis.from_url(empty_address.url()) as writer,
        ):
            await writer.set("watched", "1")
            assert [await reader.get("watched") for _ in range(3)] == [b"1"] * 3
            await writer.set("watched", "2")

            async def is_new() -> bool:
                return await reader.get("watched") == b"2"

            await eventually(is_new)

    asyncio.run(asyncio.wait_for(flow(), RESULT_TIMEOUT_SECONDS))
