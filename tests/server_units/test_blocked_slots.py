"""Runs that wait, at the network runtime's end of the channel: deadlines, crashes, lost clients."""

from __future__ import annotations

import pytest

from kiwi_engine.channel.events import Waits, encode_event
from kiwi_engine.server.network.lost_runs import UNKNOWN_OUTCOME
from kiwi_engine.server.network.slots import ReplyLine, Slot
from tests.server_units.test_storage_client import SECOND_NS, Bench, FakeLink, run

BLPOP = [b"blpop", b"q", b"0"]
XREAD = [b"xread", b"block", b"0", b"streams", b"s", b"$"]
PUSH = [b"rpush", b"q", b"x"]


class Waiter:
    """A connection of its own with one command that waits."""

    def __init__(self, bench: Bench, source: int, words: list[bytes]) -> None:
        self.bench = bench
        self.written: list[bytes] = []
        self.slot = Slot(ReplyLine(self.written.append, source), [words])
        self.slot.arrived_ns = source
        self.slot.line.append(self.slot)
        bench.client.submit_blocking(self.slot)

    def is_known_to_wait(self, words: list[bytes]) -> None:
        """The storage runtime has told so."""
        event = Waits(self.slot.run_id, words)
        self.bench.client.receive([(0, encode_event(event))], [])

    def forget(self) -> None:
        self.bench.client.forget(self.slot.line.source, self.slot)


def waiting_bench(bench: Bench) -> Bench:
    bench.client.on_event = lambda event: (
        bench.client.note_wait(event) if isinstance(event, Waits) else None
    )
    return bench


async def restart(bench: Bench) -> FakeLink:
    """The storage runtime dies and another one comes."""
    bench.client.disconnect()
    bench.link = FakeLink()
    bench.client.connect(bench.link)
    await bench.tick()
    return bench.link


def test_a_wait_has_no_deadline_and_holds_no_credits() -> None:
    async def test(made: Bench) -> None:
        waiter = Waiter(waiting_bench(made), 1, BLPOP)
        await made.tick()
        made.client.expire(10**6 * SECOND_NS)
        assert waiter.written == []
        assert made.client.unanswered == 0
        made.answer(waiter.slot.run_id, b"reply")
        assert waiter.written == [b"reply"]

    run(test)


def test_who_waits_goes_on_in_its_order_with_the_next_runtime() -> None:
    async def test(made: Bench) -> None:
        waiting_bench(made)
        first, reader, second = (
            Waiter(made, source, words) for source, words in ((1, BLPOP), (2, XREAD), (3, BLPOP))
        )
        await made.tick()
        for each in (second, first):
            each.is_known_to_wait(BLPOP)
        reader.is_known_to_wait([*XREAD[:-1], b"7-1"])
        made.submit([b"get", b"k"])
        link = await restart(made)
        assert link.commands == [[BLPOP], [[*XREAD[:-1], b"7-1"]], [BLPOP], [[b"get", b"k"]]]
        assert [run.arrived_ns for run in link.requests[0].runs][:3] == [1, 2, 3]
        made.answer(second.slot.run_id, b"reply")
        assert (first.written, second.written) == ([], [b"reply"])

    run(test)


@pytest.mark.parametrize("is_known", [False, True])
def test_what_may_have_been_handed_over_is_unknown(is_known: bool) -> None:
    """By a write that was never answered, or because the element was there from the beginning."""

    async def test(made: Bench) -> None:
        waiting_bench(made)
        waiter, other = Waiter(made, 1, BLPOP), Waiter(made, 2, [b"blpop", b"other", b"0"])
        await made.tick()
        other.is_known_to_wait(other.slot.commands[0])
        if is_known:
            waiter.is_known_to_wait(BLPOP)
            made.submit(PUSH)
            await made.tick()
        link = await restart(made)
        assert waiter.written == [UNKNOWN_OUTCOME]
        assert link.commands == [[other.slot.commands[0]]]

    run(test)


def test_who_goes_away_is_told_of_and_not_sent_again() -> None:
    async def test(made: Bench) -> None:
        waiting_bench(made)
        sent = Waiter(made, 1, BLPOP)
        await made.tick()
        unsent = Waiter(made, 2, BLPOP)
        for each in (sent, unsent):
            each.forget()
        await made.tick()
        assert [request.gone for request in made.link.requests] == [[], [1, 2]]
        assert made.link.commands == [[BLPOP]]
        made.answer(sent.slot.run_id, b"too late")
        assert (await restart(made)).commands == []
        assert sent.written == unsent.written == []

    run(test)
