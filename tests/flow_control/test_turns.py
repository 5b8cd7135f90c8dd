"""How much of one connection is under way, and that its commands take turns with others."""

from __future__ import annotations

import asyncio

from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.resp import reply
from kiwi_engine.server.network.slots import Slot
from tests.server_units.test_connection_close import Bench
from tests.support.client import encode

TURN = 256


def test_commands_of_this_runtime_are_run_in_turns() -> None:
    async def test() -> None:
        bench = Bench()
        bench.connection.data_received(encode("PING") * 1000 + encode("GET", "k"))
        counts = []
        while not bench.storage.slots:
            counts.append(b"".join(bench.transport.written).count(reply.PONG))
            await asyncio.sleep(0)
        assert counts == [TURN, 2 * TURN, 3 * TURN]
        assert b"".join(bench.transport.written) == reply.PONG * 1000

    asyncio.run(test())


def test_what_arrives_meanwhile_comes_behind() -> None:
    async def test() -> None:
        bench = Bench()
        bench.connection.data_received(encode("PING") * 600)
        bench.connection.data_received(encode("ECHO", "last"))
        for _ in range(4):
            await asyncio.sleep(0)
        written = b"".join(bench.transport.written)
        assert written == reply.PONG * 600 + reply.bulk(b"last")

    asyncio.run(test())


def test_what_follows_quit_is_not_run() -> None:
    async def test() -> None:
        bench = Bench()
        data = encode("PING") * 300 + encode("QUIT") + encode("SET", "k", "v") * 300
        bench.connection.data_received(data)
        for _ in range(4):
            await asyncio.sleep(0)
        assert b"".join(bench.transport.written) == reply.PONG * 300 + reply.OK
        assert bench.transport.closed
        assert bench.storage.slots == []

    asyncio.run(test())


class Sent(Bench):
    """Counts runs as the storage client does."""

    def __init__(self) -> None:
        super().__init__()
        self.storage.submit = self.submit  # type: ignore[method-assign]

    def submit(self, slot: Slot, now_ns: int) -> bool:
        self.storage.slots.append(slot)
        slot.line.runs_owed += 1
        return True

    def answer(self, slot: Slot, encoded: bytes = b"$-1\r\n") -> None:
        slot.line.runs_owed -= 1
        slot.complete(encoded)

    def give_back(self, slot: Slot, done: int, encoded: bytes) -> None:
        slot.line.runs_owed -= 1
        slot.return_rest(done, encoded)


def test_a_few_runs_are_under_way_at_a_time() -> None:
    bench = Sent()
    for _ in range(4):
        assert bench.transport.reading
        bench.connection.data_received(encode("GET", "k"))
    assert not bench.transport.reading
    bench.answer(bench.storage.slots[0])
    assert not bench.transport.reading
    bench.answer(bench.storage.slots[1])
    assert bench.transport.reading


def test_what_comes_back_is_sent_again_when_the_client_has_read() -> None:
    bench = Sent()
    sent = bench.storage.slots
    bench.connection.data_received(encode("GET", "a") + encode("GET", "b"))
    bench.connection.data_received(encode("GET", "c"))
    first, second = sent
    bench.connection.pause_writing()
    bench.give_back(first, 1, b"$1\r\na\r\n")
    was_returning = bench.connection.is_returning
    assert was_returning
    bench.connection.data_received(encode("GET", "d"))
    bench.give_back(second, 0, b"")
    assert len(sent) == 2, "it does not read"
    assert bench.connection.is_idle
    bench.connection.resume_writing()
    assert [slot.commands for slot in sent[2:]] == [
        [[b"GET", b"b"]],
        [[b"GET", b"c"]],
        [[b"GET", b"d"]],
    ]
    assert [slot.flags for slot in sent[2:]] == [RunFlags.RESUMED, 0, 0]
    assert not bench.connection.is_returning
    for slot, name in zip(sent[2:], (b"b", b"c", b"d"), strict=True):
        bench.answer(slot, name)
    assert b"".join(bench.transport.written) == b"$1\r\na\r\nbcd"


def test_nothing_is_sent_again_before_all_has_come_back() -> None:
    """A run that is still on its way comes back, too, and has its place in front of later ones."""
    bench = Sent()
    sent = bench.storage.slots
    for name in ("a", "b"):
        bench.connection.data_received(encode("GET", name) * 2)
    bench.give_back(sent[0], 1, b"A")
    assert len(sent) == 2
    bench.give_back(sent[1], 0, b"")
    assert [len(slot.commands) for slot in sent[2:]] == [1, 2]


def test_the_mark_of_the_first_one_does_not_stay_with_it() -> None:
    """Sent again once more, and behind another one, it would let itself be executed too early."""
    bench = Sent()
    sent = bench.storage.slots
    bench.connection.data_received(encode("GET", "a") * 3)
    bench.give_back(sent[0], 1, b"A")
    assert sent[1].flags & RunFlags.RESUMED
    bench.connection.data_received(encode("GET", "b"))
    bench.give_back(sent[1], 1, b"A")
    bench.give_back(sent[2], 0, b"")
    assert [slot.flags & RunFlags.RESUMED for slot in sent[3:]] == [RunFlags.RESUMED, 0]


def test_a_command_that_may_wait_comes_back_too() -> None:
    async def test() -> None:
        bench = Sent()
        sent = bench.storage.slots
        bench.connection.data_received(encode("GET", "a") * 2 + encode("BLPOP", "q", 0))
        assert len(sent) == 2
        bench.give_back(sent[0], 1, b"A")
        blocking = sent[1]
        blocking.return_rest(0, b"")
        assert len(sent) == 3, "it waits for the one that is under way"
        bench.answer(sent[2], b"B")
        assert sent[3] is blocking
        assert blocking.flags == RunFlags.BLOCKING | RunFlags.RESUMED
        blocking.complete(b"*-1\r\n")
        assert b"".join(bench.transport.written) == b"AB*-1\r\n"

    asyncio.run(test())
