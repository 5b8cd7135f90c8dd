"""WAIT, WAITAOF, CLIENT UNBLOCK and CLIENT PAUSE, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from kiwi_engine.errors import ReplyError
from kiwi_engine.server.network.local.handler import Answer, Handler
from kiwi_engine.server.network.local.pausing import HANDLERS as PAUSING
from kiwi_engine.server.network.local.waiting import HANDLERS as WAITING
from kiwi_engine.server.network.session import Session
from tests.server.local.fakes import FakeServer

HANDLERS: dict[str, Handler] = {**WAITING, **PAUSING}


def call(server: FakeServer, session: Session, name: str, line: str) -> Answer:
    return HANDLERS[name](server, session, line.encode().split())


async def finished(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else await answer


def error_of(name: str, line: str) -> str:
    server = FakeServer()
    with pytest.raises(ReplyError) as caught:
        call(server, server.connect(), name, line)
    return caught.value.text


@pytest.mark.parametrize(
    ("name", "line", "error"),
    [
        ("wait", "wait x 0", "value is not an integer or out of range"),
        ("wait", "wait 0 x", "timeout is not an integer or out of range"),
        ("wait", "wait 0 -1", "timeout is negative"),
        ("waitaof", "waitaof 2 0 0", "value is out of range, value must between 0 and 1"),
        ("waitaof", "waitaof 0 -1 0", "value is out of range, must be positive"),
        ("waitaof", "waitaof 0 0 -1", "timeout is negative"),
        ("client|unblock", "client unblock x", "value is not an integer or out of range"),
        (
            "client|unblock",
            "client unblock x foo",
            "CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
        ),
        (
            "client|unblock",
            "client unblock 1 error x",
            "unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
        ),
        ("client|pause", "client pause x", "timeout is not an integer or out of range"),
        ("client|pause", "client pause -1", "timeout is negative"),
        ("client|pause", "client pause x foo", "CLIENT PAUSE mode must be WRITE or ALL"),
        (
            "client|pause",
            "client pause 1 all x",
            "unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
        ),
    ],
)
def test_errors_are_those_of_redis(name: str, line: str, error: str) -> None:
    assert error_of(name, line) == f"ERR {error}"


def test_pauses_are_handed_on() -> None:
    server = FakeServer()
    session = server.connect()
    for line in ("client pause 5", "client pause 6 write", "client pause 7 ALL"):
        assert call(server, session, "client|pause", line) == b"+OK\r\n"
    assert server.pauses == [(5, True), (6, False), (7, True)]
    assert call(server, session, "client|unpause", "client unpause") == b"+OK\r\n"
    assert server.pauses == []


def test_nobody_waits_for_no_replica_or_inside_a_transaction() -> None:
    server = FakeServer()
    session = server.connect()
    assert call(server, session, "wait", "wait 0 0") == b":0\r\n"
    assert call(server, session, "wait", "wait -1 0") == b":0\r\n"
    session.is_executing = True
    assert call(server, session, "wait", "wait 3 0") == b":0\r\n"


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await asyncio.wait_for(work, 10)

    asyncio.run(main())


def test_a_wait_is_over_in_time_or_when_it_is_ended() -> None:
    async def work() -> None:
        server = FakeServer()
        session, other = server.connect(), server.connect()
        assert await finished(call(server, session, "wait", "wait 1 5")) == b":0\r\n"
        for line, reply in (("client unblock 1", b":0\r\n"), ("client unblock 1 error", None)):
            waiting = asyncio.ensure_future(finished(call(server, session, "wait", "wait 1 0")))
            await asyncio.sleep(0)
            assert session.is_blocked
            assert call(server, other, "client|unblock", line) == b":1\r\n"
            if reply is None:
                with pytest.raises(ReplyError, match="UNBLOCKED client unblocked via"):
                    await waiting
            else:
                assert await waiting == reply
            assert not session.is_blocked
        assert call(server, other, "client|unblock", "client unblock 1") == b":0\r\n"
        assert call(server, other, "client|unblock", "client unblock 99") == b":0\r\n"

    run(work())


def test_who_waits_in_the_storage_runtime_is_unblocked_there() -> None:
    async def work() -> None:
        server = FakeServer()
        session, other = server.connect(), server.connect()
        session.is_blocked = True
        for found, reply in ((True, b":1\r\n"), (False, b":0\r\n")):
            server.answers["unblock"] = found
            answer = call(server, other, "client|unblock", "client unblock 1")
            assert await finished(answer) == reply

    run(work())


def test_waiting_for_a_sync_asks_until_it_is_there() -> None:
    class Syncing(FakeServer):
        durable = 3

        async def query(self, method: str, parameters: dict[str, Any]) -> Any:
            assert method == "durability"
            self.queries.append(f"{method} {parameters['sync']}")
            self.durable += 1
            return {"written": 6 if len(self.queries) == 1 else 9, "durable": self.durable}

    async def work() -> None:
        server = Syncing()
        session = server.connect()
        answer = call(server, session, "waitaof", "waitaof 1 0 0")
        assert await finished(answer) == b"*2\r\n:1\r\n:0\r\n"
        assert server.queries == ["durability True", *["durability False"] * 2]
        server.durable, server.queries = -1000, []
        answer = call(server, session, "waitaof", "waitaof 1 0 20")
        assert await finished(answer) == b"*2\r\n:0\r\n:0\r\n"
        server.durable, server.queries = 9, []
        answer = call(server, session, "waitaof", "waitaof 0 1 5")
        assert await finished(answer) == b"*2\r\n:1\r\n:0\r\n"

    run(work())
