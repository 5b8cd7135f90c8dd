"""The awaitable twin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import kiwi_engine
from kiwi_engine import aio
from tests.embedded.options import TINY


def with_engine(path: Path, work: Callable[[aio.Engine], Awaitable[Any]]) -> None:
    async def run() -> None:
        async with aio.open(path, **TINY) as engine:
            await work(engine)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_what_is_written_is_read_and_stays(tmp_path: Path) -> None:
    async def work(engine: aio.Engine) -> None:
        await engine.put(b"a", b"1")
        await engine.put(b"b", b"2" * 500)
        await engine.put(b"c", b"3")
        await engine.delete(b"c")
        assert await engine.get(b"a") == b"1"
        assert await engine.get(bytearray(b"b")) == b"2" * 500
        assert await engine.get_many([b"c", b"a"]) == [None, b"1"]
        await engine.flush()
        assert [key async for key in engine.keys(reverse=True)] == [b"b", b"a"]
        batch = kiwi_engine.WriteBatch()
        batch.delete_range(prefix=b"b")
        batch.put(b"d", b"4")
        await engine.write(batch)
        assert [row async for row in engine.scan()] == [(b"a", b"1"), (b"d", b"4")]
        await engine.delete_range(b"a", b"b")
        assert await engine.count() == 1
        await engine.sync()
        assert (await engine.statistics()).refusal == ""

    with_engine(tmp_path, work)
    with kiwi_engine.open(tmp_path, **TINY) as engine:
        assert list(engine.scan()) == [(b"d", b"4")]


def test_concurrent_writes_share_groups(tmp_path: Path) -> None:
    async def work(engine: aio.Engine) -> None:
        await asyncio.gather(*(engine.put(b"%04d" % n, b"x" * (n % 100)) for n in range(1000)))
        statistics = await engine.statistics()
        assert statistics.commit.groups < 100
        assert [key async for key in engine.keys(b"")] == [b"%04d" % n for n in range(1000)]

    with_engine(tmp_path, work)


def test_writes_of_one_tick_are_made_in_order(tmp_path: Path) -> None:
    async def work(engine: aio.Engine) -> None:
        for _ in range(20):
            await asyncio.gather(
                engine.put(b"a", b"1"), engine.delete_range(), engine.put(b"a", b"2")
            )
            assert await engine.get(b"a") == b"2"

    with_engine(tmp_path, work)


def test_a_snapshot_and_a_dropped_walk(tmp_path: Path) -> None:
    async def work(engine: aio.Engine) -> None:
        await asyncio.gather(*(engine.put(b"%04d" % n, b"old") for n in range(600)))
        async with engine.snapshot() as snapshot:
            await engine.delete_range()
            assert await snapshot.get(b"0000") == b"old"
            assert len([key async for key in snapshot.keys(b"")]) == 600
            async for key, value in snapshot.scan(reverse=True):
                assert (key, value) == (b"0599", b"old")
                break
        assert await engine.count() == 0
        with pytest.raises(kiwi_engine.EngineClosedError):
            await snapshot.get(b"0000")

    with_engine(tmp_path, work)


def test_transactions(tmp_path: Path) -> None:
    async def increment(transaction: aio.Transaction) -> int:
        number = int(await transaction.get(b"n") or b"0") + 1
        transaction.put(b"n", b"%d" % number)
        return number

    async def work(engine: aio.Engine) -> None:
        results = await asyncio.gather(*(engine.transact(increment, 1000) for _ in range(30)))
        assert sorted(results) == list(range(1, 31))
        with pytest.raises(ZeroDivisionError):
            async with engine.transaction() as transaction:
                transaction.put(b"n", b"0")
                raise ZeroDivisionError
        async with engine.transaction() as transaction:
            transaction.delete(b"n")
            await transaction.rollback()
        assert await engine.get(b"n") == b"30"
        with pytest.raises(kiwi_engine.TransactionConflictError):
            async with engine.transaction() as transaction:
                assert [row async for row in transaction.scan()] == [(b"n", b"30")]
                await engine.put(b"m", b"phantom")
                transaction.delete_range(b"x")
        assert (await engine.statistics()).open_transactions == 0

    with_engine(tmp_path, work)


def test_errors_reach_whoever_awaits(tmp_path: Path) -> None:
    async def work(engine: aio.Engine) -> None:
        with pytest.raises(TypeError):
            await engine.put("text", b"")  # type: ignore[arg-type]
        with pytest.raises(kiwi_engine.LockedError):
            await aio.open(tmp_path)
        with pytest.raises(kiwi_engine.ConfigError):
            await aio.open(tmp_path, nonsense=1)  # type: ignore[call-arg]  # there is none
        await engine.close()
        await engine.close()
        for call in (engine.get(b""), engine.put(b"", b""), engine.count()):
            with pytest.raises(kiwi_engine.EngineClosedError):
                await call

    with_engine(tmp_path, work)


def test_cancelling_gives_up_waiting_only(tmp_path: Path) -> None:
    async def work(engine: aio.Engine) -> None:
        tasks = [asyncio.create_task(engine.put(b"%d" % n, b"x")) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        await engine.put(b"last", b"x")
        assert await engine.count() == 11

    with_engine(tmp_path, work)


def test_a_cancelled_begin_leaves_nothing_behind(tmp_path: Path) -> None:
    async def work(engine: aio.Engine) -> None:
        async def begin() -> None:
            async with engine.transaction(), engine.snapshot():
                await asyncio.sleep(10)

        for pause_s in (0.0, 0.0005, 0.002, 0.02):
            task = asyncio.create_task(begin())
            await asyncio.sleep(pause_s)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        while True:
            statistics = await engine.statistics()
            if not statistics.open_transactions and not statistics.views.get("snapshot"):
                break
            await asyncio.sleep(0.005)

    with_engine(tmp_path, work)
