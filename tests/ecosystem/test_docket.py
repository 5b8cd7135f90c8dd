"""Docket: tasks now and later, replaced, cancelled, retried and repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from docket import (
    ConcurrencyLimit,
    CurrentExecution,
    Docket,
    Execution,
    ExecutionCancelled,
    ExecutionState,
    Perpetual,
    Progress,
    Retry,
    Worker,
)

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, end, eventually

Flow = Callable[[Docket], Awaitable[None]]
_calls: list[str] = []


async def add(left: int, right: int) -> int:
    return left + right


async def succeed_at_last(retry: Retry = Retry(attempts=3)) -> int:  # noqa: B008
    if retry.attempt < 2:
        raise RuntimeError("not yet")
    return retry.attempt


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def alone(
    customer: int,
    limit: ConcurrencyLimit = ConcurrencyLimit("customer", max_concurrent=1),  # noqa: B008
) -> None:
    _calls.append("begin")
    await asyncio.sleep(0)
    _calls.append("end")


async def again(
    perpetual: Perpetual = Perpetual(every=timedelta(milliseconds=20)),  # noqa: B008
    execution: Execution = CurrentExecution(),  # noqa: B008
    progress: Progress = Progress(),  # noqa: B008
) -> None:
    await progress.set_total(1)
    await progress.increment()
    _calls.append(execution.key)


@asynccontextmanager
async def working(url: str, name: str) -> AsyncIterator[Docket]:
    _calls.clear()
    async with Docket(name=name, url=url, heartbeat_interval=timedelta(seconds=1)) as docket:
        for task in (add, succeed_at_last, wait_for_ever, alone, again):
            docket.register(task)
        async with Worker(
            docket,
            minimum_check_interval=timedelta(milliseconds=20),
            scheduling_resolution=timedelta(milliseconds=20),
        ) as worker:
            running = asyncio.create_task(worker.run_forever())
            try:
                async with asyncio.timeout(RESULT_TIMEOUT_SECONDS):
                    yield docket
            finally:
                await end(running)


def run(url: str, flow: Flow) -> None:
    async def whole() -> None:
        async with working(url, flow.__qualname__.split(".")[0]) as docket:
            await flow(docket)

    asyncio.run(whole())


def test_a_task_gives_its_result(url: str) -> None:
    async def flow(docket: Docket) -> None:
        execution = await docket.add(add)(2, 3)
        assert await execution.get_result() == 5
        await execution.sync()
        assert execution.state is ExecutionState.COMPLETED

    run(url, flow)


def test_a_failed_task_is_tried_again(url: str) -> None:
    async def flow(docket: Docket) -> None:
        assert await (await docket.add(succeed_at_last)()).get_result() == 2

    run(url, flow)


def test_a_task_is_postponed_replaced_and_cancelled(url: str) -> None:
    async def flow(docket: Docket) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        await docket.add(add, when=later, key="sum")(1, 1)
        await docket.add(add, when=later, key="never")(9, 9)
        snapshot = await docket.snapshot()
        assert sorted(execution.key for execution in snapshot.future) == ["never", "sum"]
        await docket.cancel("never")
        replaced = await docket.replace(add, when=datetime.now(UTC), key="sum")(2, 2)
        assert await replaced.get_result() == 4
        assert not (await docket.snapshot()).future

    run(url, flow)


def test_a_running_task_is_cancelled(url: str) -> None:
    async def flow(docket: Docket) -> None:
        execution = await docket.add(wait_for_ever, key="endless")()

        async def runs() -> bool:
            await execution.sync()
            return execution.state is ExecutionState.RUNNING

        await eventually(runs)
        await docket.cancel("endless")
        with pytest.raises(ExecutionCancelled):
            await execution.get_result()

    run(url, flow)


def test_tasks_of_a_customer_run_one_by_one(url: str) -> None:
    async def flow(docket: Docket) -> None:
        executions = [await docket.add(alone)(customer=7) for _ in range(3)]
        for execution in executions:
            await execution.get_result()
        assert _calls == ["begin", "end"] * 3

    run(url, flow)


def test_a_task_repeats_itself(url: str) -> None:
    async def flow(docket: Docket) -> None:
        await docket.add(again, key="tick")()

        async def is_repeated() -> bool:
            return _calls[:3] == ["tick", "tick", "tick"]

        await eventually(is_repeated)
        await docket.cancel("tick")

    run(url, flow)
