"""The reply of a transaction that is made by both runtimes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from kiwi_engine.errors import ReplyError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.exec_reply import MixedReply
from kiwi_engine.server.network.local import HANDLERS
from kiwi_engine.server.network.session import ReplyMode, Session
from kiwi_engine.server.network.slots import ReplyLine, Slot
from tests.server.local.fakes import FakeServer


class Bench:
    """A transaction whose reply `written` gets."""

    def __init__(self, *lines: str) -> None:
        self.session = Session(1, "", "", 0, authenticated=True)
        self.written: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []
        commands = [line.encode().split() for line in lines]
        self.mixed = MixedReply(FakeServer(), self.session, commands)
        self.slot = Slot(ReplyLine(self.written.append), commands)
        self.slot.line.append(self.slot)
        self.slot.convert = self.mixed.converter(self.slot, self.answer_later)

    def answer_later(self, slot: Slot, answer: Coroutine[Any, Any, bytes]) -> None:
        async def finish() -> None:
            slot.complete(await answer)

        self.tasks.append(asyncio.get_running_loop().create_task(finish()))

    def answered(self, stored: bytes) -> list[bytes]:
        """What is written when the storage runtime has answered."""

        async def main() -> None:
            self.slot.complete(stored)
            await asyncio.gather(*self.tasks)

        asyncio.run(main())
        return self.written


def parts(*encoded: bytes) -> bytes:
    return msgspec.msgpack.encode(list(encoded))


def test_each_reply_stands_where_its_command_was() -> None:
    bench = Bench("PING", "SET k v", "ECHO hi", "GET k")
    assert bench.mixed.own_commands == [0, 2]
    assert bench.mixed.names == {"ping", "echo"}
    written = bench.answered(parts(b"", b"+OK\r\n", b"", b"$1\r\nv\r\n"))
    assert written == [b"*4\r\n+PONG\r\n+OK\r\n$2\r\nhi\r\n$1\r\nv\r\n"]


@pytest.mark.parametrize("whole", [b"-UNKNOWN outcome\r\n", b"*-1\r\n", b"_\r\n"])
def test_what_was_not_run_there_is_not_run_here(whole: bytes) -> None:
    bench = Bench("SET k v", "SELECT 1")
    assert bench.answered(whole) == [whole]
    assert bench.session.db == 0


def test_an_error_of_one_leaves_the_others() -> None:
    bench = Bench("SELECT 99", "SELECT 2", "PING")
    out_of_range = reply.error("ERR DB index is out of range")
    assert bench.answered(parts(b"", b"", b"")) == [b"*3\r\n" + out_of_range + b"+OK\r\n+PONG\r\n"]
    assert bench.session.db == 2


def with_handler(
    monkeypatch: pytest.MonkeyPatch, handler: Callable[[Any, Session, list[bytes]], Any]
) -> None:
    monkeypatch.setitem(HANDLERS, "ping", handler)


def test_whoever_answers_later_knows_that_it_must_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """WAITAOF waited, because only its beginning was run as a part of the transaction."""
    bench = Bench("PING")
    seen: list[bool] = []

    async def ping(facade: object, session: Session, words: list[bytes]) -> bytes:
        seen.append(session.is_executing)
        await asyncio.sleep(0)
        seen.append(session.is_executing)
        return b"+LATER\r\n"

    with_handler(monkeypatch, ping)
    assert bench.answered(parts(b"")) == [b"*1\r\n+LATER\r\n"]
    assert seen == [True, True]
    assert not bench.session.is_executing


def test_nothing_is_being_executed_behind_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> Callable[[Any, Session, list[bytes]], bytes]:
        def ping(facade: object, session: Session, words: list[bytes]) -> bytes:
            raise error

        return ping

    bench = Bench("PING")
    with_handler(monkeypatch, fail(ReplyError("ERR refused")))
    assert bench.answered(parts(b"")) == [b"*1\r\n-ERR refused\r\n"]
    bench = Bench("PING")
    with_handler(monkeypatch, fail(AssertionError("a bug")))
    with pytest.raises(AssertionError):
        bench.answered(parts(b""))
    assert not bench.session.is_executing


def test_the_session_is_looked_at_anew() -> None:
    """A CLIENT REPLY SKIP in a transaction silenced all that came behind, not one command."""
    bench = Bench("CLIENT REPLY SKIP")
    assert bench.session.is_plain
    bench.answered(parts(b""))
    assert bench.session.reply_mode is ReplyMode.SKIP
    assert not bench.session.is_plain
