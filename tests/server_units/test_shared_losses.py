"""What several network processes conclude when they have lost a storage process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from kiwi_engine.channel.events import (
    EVENT_RUN,
    Spike,
    StorageBegan,
    WatchBroken,
    encode_event,
)
from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.server.network import loss_exchange
from kiwi_engine.server.network.loss_exchange import LossExchange
from kiwi_engine.server.network.lost_runs import Touched
from kiwi_engine.server.network.peers.messages import OTHERS
from kiwi_engine.server.network.shared_losses import Move, Report, touched_by_all
from kiwi_engine.server.storage.early_changes import EarlyChanges
from kiwi_engine.server.storage.sending_order import SendingOrder

COUNT = 3
PATIENCE_S = 0.01


def report(process: int, *keys: bytes, moves: tuple[Move, ...] = ()) -> Report:
    return Report(process, 7, False, [(0, key) for key in keys], list(moves))


def keys_of(touched: Touched) -> set[bytes]:
    assert not touched.everything
    return {key for _, key in touched.keys}


def test_what_any_has_touched_counts() -> None:
    assert keys_of(touched_by_all([report(0, b"a"), report(1, b"b"), report(2)], are_all=True)) == {
        b"a",
        b"b",
    }


def test_without_all_reports_anything_may_have_been_changed() -> None:
    assert touched_by_all([report(0), report(1)], are_all=False).everything
    unsure = Report(2, 7, True, [], [])
    assert touched_by_all([report(0), report(1), unsure], are_all=True).everything


def test_what_is_handed_on_is_touched_wherever_the_mover_is() -> None:
    """In whatever order they are looked at: the chain is longer than one step."""
    reports = [
        report(0, b"a", moves=(Move(0, b"c", b"d"),)),
        report(1, moves=(Move(0, b"b", b"c"), Move(0, b"x", b"y"), Move(1, b"a", b"z"))),
        report(2, moves=(Move(0, b"a", b"b"),)),
    ]
    assert keys_of(touched_by_all(reports, are_all=True)) == {b"a", b"b", b"c", b"d"}


class Bus:
    """The links between three processes; what is told arrives at once, as it would by a link."""

    def __init__(self) -> None:
        self.methods: dict[int, dict[str, Callable[[Any], Any]]] = {}

    def tell(self, sender: int, method: str, parameters: Any, to: int) -> None:
        sent = msgspec.msgpack.decode(msgspec.msgpack.encode(parameters))
        for number, methods in self.methods.items():
            if number != sender and to in (OTHERS, number):
                methods[method](sent)


class Process:
    """A network process that exchanges losses, and what it has concluded."""

    def __init__(self, bus: Bus, number: int) -> None:
        self._bus = bus
        self.numbering = Numbering(number, COUNT)
        self.concluded: list[Touched] = []
        self.went = 0
        bus.methods[number] = {}
        self.exchange = LossExchange(cast(Any, self), self.concluded.append)

    def register(self, name: str, method: Callable[[Any], Any]) -> None:
        self._bus.methods[self.numbering.number][name] = method

    def watch(self, joined: Callable[[int], None], left: Callable[[int], None]) -> None:
        self.introduce = joined

    def tell(self, method: str, parameters: Any, to: int = OTHERS) -> None:
        self._bus.tell(self.numbering.number, method, parameters, to)

    def began(self, storage: int) -> None:
        self.exchange.storage_began(StorageBegan(storage))

    def lost(self, *keys: bytes) -> None:
        touched = Touched()
        touched.keys.update((0, key) for key in keys)
        self.exchange.lost(touched, [])

    def agree(self) -> None:
        self.exchange.agree(self._go)

    def _go(self) -> None:
        self.exchange.join()
        self.went += 1


@pytest.fixture
def processes() -> list[Process]:
    bus = Bus()
    made = [Process(bus, number) for number in range(COUNT)]
    for process in made:
        process.began(7)
        process.exchange.join()
    return made


def test_the_first_storage_process_is_used_at_once(processes: list[Process]) -> None:
    processes[0].agree()
    assert processes[0].went == 1
    assert processes[0].concluded == []


def test_they_wait_for_each_other(processes: list[Process]) -> None:
    async def play() -> None:
        first, second, third = processes
        first.lost(b"a")
        first.began(8)
        first.agree()
        second.lost()
        assert (first.went, first.concluded) == (0, [])
        third.lost(b"b")
        assert first.went == 1
        for late in (second, third):
            late.began(8)
            late.agree()
        assert [each.went for each in processes] == [1, 1, 1]
        assert [keys_of(*each.concluded) for each in processes] == [{b"a", b"b"}] * COUNT

    asyncio.run(play())


def test_who_has_not_been_there_has_lost_nothing(processes: list[Process]) -> None:
    """A worker that starts is told who is there, by the primary."""

    async def play() -> None:
        first, second, third = processes
        for process in (first, second):
            process.began(8)
            process.exchange.join()
        first.introduce(2)
        first.lost(b"a")
        first.began(9)
        first.agree()
        assert not first.went, "it waits for the second one"
        second.lost(b"b")
        assert keys_of(*first.concluded) == {b"a", b"b"}
        third.began(9)
        third.agree()
        assert (third.went, third.concluded) == (1, [])

    asyncio.run(play())


def test_a_newcomer_waits_for_those_who_were_there_before(processes: list[Process]) -> None:
    async def play() -> None:
        first, second, newcomer = processes
        newcomer.exchange._members.clear()
        first.introduce(2)
        newcomer.lost()
        newcomer.began(8)
        newcomer.agree()
        first.lost()
        assert not newcomer.went
        second.lost(b"b")
        assert keys_of(*newcomer.concluded) == {b"b"}

    asyncio.run(play())


def test_nobody_waits_for_ever(processes: list[Process], monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        first, second, _ = processes
        first.lost(b"a")
        second.lost()
        first.began(8)
        first.agree()
        await asyncio.sleep(10 * PATIENCE_S)
        assert first.went == 1
        assert [touched.everything for touched in first.concluded] == [True]

    monkeypatch.setattr(loss_exchange, "PATIENCE_S", PATIENCE_S)
    asyncio.run(play())


def test_one_loss_is_not_taken_for_another(
    processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lost its channel alone, and has another one to the same storage process."""

    async def play() -> None:
        alone = processes[0]
        alone.lost(b"a")
        alone.began(7)
        alone.agree()
        await asyncio.sleep(10 * PATIENCE_S)
        assert alone.went == 1
        assert alone.concluded[0].everything
        for process in processes[1:]:
            process.lost(b"b")
            process.began(8)
            process.agree()
        assert [each.went for each in processes] == [1, 0, 0]
        alone.lost(b"c")
        alone.began(8)
        alone.agree()
        assert [each.went for each in processes] == [2, 1, 1]
        assert [keys_of(each.concluded[-1]) for each in processes] == [{b"b", b"c"}] * COUNT

    monkeypatch.setattr(loss_exchange, "PATIENCE_S", PATIENCE_S)
    asyncio.run(play())


# ---- what the storage process does about it


def test_who_was_served_and_whose_transaction_is_broken_is_told_first() -> None:
    order = SendingOrder()
    order.served(5)
    order.served(8)
    broken = (EVENT_RUN, encode_event(WatchBroken([3])))
    spike = (EVENT_RUN, encode_event(Spike("wal-sync", 9)))
    replies = [(1, b"a"), spike, (5, b"served"), (2, b"b"), broken]
    assert order.split(replies) == ([(5, b"served"), broken], [(1, b"a"), spike, (2, b"b")])
    assert order.split([(5, b"again"), (8, b"served")]) == ([(8, b"served")], [(5, b"again")])


def test_the_first_changes_are_known_by_their_keys() -> None:
    ended: list[str] = []
    early = EarlyChanges(lambda: ended.append("over"), changes_max=3)
    early.touched(0, b"a")
    early.touched(1, b"b")
    assert [early.may_include(0, key) for key in (b"a", b"b")] == [True, False]
    assert early.may_include(1, b"b")
    assert not ended
    early.touched(0, b"c")
    assert ended == ["over"]
    assert early.may_include(0, b"unknown")


def test_a_flush_may_have_changed_anything() -> None:
    ended: list[str] = []
    early = EarlyChanges(lambda: ended.append("over"))
    early.flushed([1])
    assert ended == ["over"]
    assert early.may_include(0, b"k")
