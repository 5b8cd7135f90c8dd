"""Connections that do one SET after the other, thousands of them in one process (shell: asyncio).

Raw protocols: the reply is compared, not parsed, so a SET costs this process some ten microseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, cast

from kiwi_engine.clock import monotonic_ns
from tests.support.client import encode

_OK: Final = b"+OK\r\n"
_VALUE: Final = b"x" * 64
_CONNECTING_AT_ONCE: Final = 200
_PERIOD_NS: Final = 1_000_000_000
# Timers are late by about a millisecond, for which the server cannot be blamed.
_TIMER_NS: Final = 2_000_000


class Setter(asyncio.Protocol):
    """One connection; sends one SET and tells when its reply is there."""

    def __init__(self, number: int) -> None:
        self._request = encode("SET", f"connection:{number}", _VALUE)
        self._transport: asyncio.Transport
        self._answered: asyncio.Future[None] | None = None
        # Called with each reply; `ask` waits for one instead.
        self.on_reply: Callable[[], None] = self._resolve

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert data == _OK, data
        self.on_reply()

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._answered is None or self._answered.done(), "a connection was lost"

    def send(self) -> None:
        self._transport.write(self._request)

    async def ask(self) -> None:
        """Send it, and return when it is answered."""
        self._answered = asyncio.get_running_loop().create_future()
        self.send()
        await self._answered

    def close(self) -> None:
        self._transport.close()

    def _resolve(self) -> None:
        if self._answered is not None:
            self._answered.set_result(None)


class Ticker:
    """Has one connection send once a second; a SET that is late counts from when it was due."""

    def __init__(self, setter: Setter, first_ns: int, ending_ns: int, waits: list[int]) -> None:
        self._setter, self._waits = setter, waits
        self._due_ns, self._ending_ns = first_ns, ending_ns
        self._loop = asyncio.get_running_loop()
        self._started_ns = 0
        self.done: asyncio.Future[None] = self._loop.create_future()
        setter.on_reply = self._answered
        self._schedule()

    def _schedule(self) -> None:
        if self._due_ns >= self._ending_ns:
            self.done.set_result(None)
            return
        wait_s = (self._due_ns - monotonic_ns()) / 1e9
        self._loop.call_later(max(0.0, wait_s), self._send)

    def _send(self) -> None:
        now_ns = monotonic_ns()
        self._started_ns = now_ns if now_ns - self._due_ns < _TIMER_NS else self._due_ns
        self._setter.send()

    def _answered(self) -> None:
        self._waits.append(monotonic_ns() - self._started_ns)
        self._due_ns += _PERIOD_NS
        self._schedule()


async def connect(port: int, count: int) -> list[Setter]:
    """Connections that have done one SET each."""
    loop = asyncio.get_running_loop()
    found: list[Setter] = []
    while len(found) < count:
        numbers = range(len(found), min(len(found) + _CONNECTING_AT_ONCE, count))
        pairs = await asyncio.gather(
            *(
                loop.create_connection(partial(Setter, number), "127.0.0.1", port)
                for number in numbers
            )
        )
        some = [setter for _, setter in pairs]
        await asyncio.gather(*(setter.ask() for setter in some))
        found += some
    return found


async def one_a_second(setters: Sequence[Setter], seconds: float) -> list[int]:
    """How long the SETs took, in nanoseconds; the connections are spread over each second."""
    waits: list[int] = []
    started_ns = monotonic_ns()
    ending_ns = started_ns + int(seconds * 1e9)
    step_ns = _PERIOD_NS // len(setters)
    tickers = [
        Ticker(setter, started_ns + number * step_ns, ending_ns, waits)
        for number, setter in enumerate(setters)
    ]
    await asyncio.gather(*(ticker.done for ticker in tickers))
    return waits


async def one_behind_the_other(setters: Sequence[Setter], seconds: float) -> float:
    """SETs a second of all of them together."""
    count, under_way = 0, len(setters)
    done = asyncio.get_running_loop().create_future()
    started_ns = monotonic_ns()
    ending_ns = started_ns + int(seconds * 1e9)

    def again(setter: Setter) -> None:
        nonlocal count, under_way
        count += 1
        if monotonic_ns() < ending_ns:
            setter.send()
            return
        under_way -= 1
        if not under_way:
            done.set_result(None)

    for setter in setters:
        setter.on_reply = partial(again, setter)
        setter.send()
    await done
    return count / (monotonic_ns() - started_ns) * 1e9
