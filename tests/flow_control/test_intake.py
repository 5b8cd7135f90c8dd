"""What is taken from a connection in one tick, and when it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from kiwi_engine.server.network.intake import TURN_BYTES, Intake
from tests.support.client import encode

DENSE = b"PING\r\n" * (3 * TURN_BYTES // 6)


class FakeTransport:
    def __init__(self) -> None:
        self.is_reading = True
        self.is_closed = False

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        assert self.is_reading, "it is told so once"
        self.is_reading = False

    def resume_reading(self) -> None:
        assert not self.is_reading
        self.is_reading = True


class Bench:
    """An intake; `pieces` are what was taken."""

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.pieces: list[bytes] = []
        self.intake = Intake(cast(Any, self.transport), self.take)
        self.on_take: Callable[[], None] = lambda: None

    def take(self, piece: bytes) -> None:
        assert self.intake.is_in_turn
        self.pieces.append(piece)
        self.on_take()


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Bench())

    asyncio.run(main())


def test_many_commands_are_taken_in_turns_and_nothing_is_read_meanwhile() -> None:
    async def test(bench: Bench) -> None:
        bench.intake.spread(DENSE)
        seen = []
        while not bench.transport.is_reading:
            seen.append(len(bench.pieces))
            assert bench.intake.backlog_bytes == len(DENSE) - sum(map(len, bench.pieces))
            await asyncio.sleep(0)
        assert seen == [1, 2], "a turn in each tick"
        assert b"".join(bench.pieces) == DENSE
        assert max(map(len, bench.pieces)) <= TURN_BYTES
        assert bench.intake.backlog_bytes == 0

    run(test)


def test_long_values_are_taken_at_once() -> None:
    async def test(bench: Bench) -> None:
        data = encode("SET", "k", b"x" * TURN_BYTES) * 4
        bench.intake.spread(data)
        assert bench.pieces == [data]
        assert bench.transport.is_reading

    run(test)


def test_it_is_read_again_when_no_reason_is_left() -> None:
    async def test(bench: Bench) -> None:
        bench.intake.hold_back()
        bench.intake.hold_back()
        assert not bench.transport.is_reading
        bench.intake.go_on()
        assert not bench.transport.is_reading
        bench.intake.go_on()
        assert bench.transport.is_reading

    run(test)


def test_turns_wait_for_the_reasons_too() -> None:
    async def test(bench: Bench) -> None:
        bench.on_take = bench.intake.hold_back
        bench.intake.spread(DENSE)
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(bench.pieces) == 1
        bench.intake.go_on()
        await asyncio.sleep(0)
        assert len(bench.pieces) == 2
        assert not bench.transport.is_reading

    run(test)


def test_what_is_left_is_forgotten_when_it_stops() -> None:
    async def test(bench: Bench) -> None:
        bench.on_take = bench.intake.stop
        bench.intake.spread(DENSE)
        await asyncio.sleep(0)
        assert len(bench.pieces) == 1
        assert bench.intake.backlog_bytes == 0
        assert not bench.transport.is_reading

    run(test)


def test_nothing_is_taken_for_a_connection_that_closes() -> None:
    async def test(bench: Bench) -> None:
        def close() -> None:
            bench.transport.is_closed = True

        bench.on_take = close
        bench.intake.spread(DENSE)
        await asyncio.sleep(0)
        assert len(bench.pieces) == 1

    run(test)
