"""What several network processes send: its order, who comes and who goes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from kiwi_engine.channel.doorway import doorway_pair, hand_over
from kiwi_engine.channel.frames import ReceivedRequest
from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.server.storage.doorway import Doorway
from kiwi_engine.server.storage.incoming import Incoming
from kiwi_engine.server.storage.outlets import SharedOutlet
from kiwi_engine.server.storage.shared_inbox import SharedInbox
from tests.support.storage_channels import Channel

COUNT = 3
LARGE = f"set k {'x' * 100_000}"
# What `take_in` says of the end of a process.
ENDED = "ended"


class Inbox:
    """An inbox, and the network processes that lead to it."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        self.doorway, entrance = doorway_pair()
        self.outlet = SharedOutlet(far, COUNT)
        self.inbox = SharedInbox(Incoming(far), Doorway(entrance, COUNT), self.outlet)
        self.urgent: list[int] = []
        self.inbox.on_urgent = lambda queries: self.urgent.extend(each.id for each in queries)
        self.primary = Channel(Numbering(0, COUNT), near)
        self.sockets = [near, far, self.doorway, entrance]

    def connect(self, process: int) -> Channel:
        """Hand a channel over; the inbox has not seen it yet."""
        near, far = socket.socketpair()
        with far:
            hand_over(self.doorway, process, far)
        self.sockets.append(near)
        return Channel(Numbering(process, COUNT), near)

    def take_in(self) -> list[int | str]:
        """All that has arrived: runs by their numbers."""
        requests = self.inbox.take_all()
        assert requests is not None
        return [name(request) for request in requests]


def name(request: ReceivedRequest) -> int | str:
    return f"{ENDED} {request.ended[0]}" if request.ended else request.runs[0].id


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    for each in (*made.sockets, *(each.channel for each in made.inbox._by_process.values())):
        each.close()


def test_they_take_turns(inbox: Inbox) -> None:
    """Of one that sends more than fits into one receive, others do not wait for all."""
    first, second = inbox.connect(1), inbox.connect(2)
    inbox.take_in()
    others = [inbox.primary.send("get k"), second.send("get k")]
    sent: list[int | str] = []
    sender = Thread(target=lambda: sent.extend(first.send(LARGE) for _ in range(10)))
    sender.start()
    taken: list[int | str] = []
    while len(taken) < 12:
        inbox.inbox.wait()
        while (request := inbox.inbox.take()) is not None:
            taken.append(name(request))
    sender.join()
    assert [run for run in taken if run in sent] == sent, "each in its own order"
    assert set(taken[:-7]) >= set(others)


def test_who_comes_is_told_hello_at_once(inbox: Inbox) -> None:
    worker = inbox.connect(1)
    run = worker.send("get k")
    assert inbox.take_in() == []
    worker.wait_for_hello()
    assert inbox.take_in() == [run]


def test_an_end_comes_behind_what_was_sent(inbox: Inbox) -> None:
    worker = inbox.connect(1)
    inbox.take_in()
    runs = [worker.send("get k") for _ in range(3)]
    worker.socket.close()
    taken: list[int | str] = []
    while len(taken) < 4:
        taken += inbox.take_in()
    assert taken == [*runs, f"{ENDED} 1"]
    assert inbox.inbox.wait() == 0


def test_a_successor_ends_its_predecessor(inbox: Inbox) -> None:
    worker = inbox.connect(1)
    inbox.take_in()
    run = worker.send("get k")
    successor = inbox.connect(1)
    assert inbox.take_in() == [run, f"{ENDED} 1"]
    worker.wait_for_hello()
    with pytest.raises(EOFError):
        worker.receive()
    again = successor.send("get k")
    assert inbox.take_in() == [again]


def test_the_end_of_the_primary_is_the_end(inbox: Inbox) -> None:
    worker = inbox.connect(1)
    inbox.take_in()
    runs = [inbox.primary.send("get k"), worker.send("get k"), worker.send("get k")]
    inbox.primary.socket.shutdown(socket.SHUT_WR)
    assert inbox.inbox.wait() == 3, "others are not waited for, but heard"
    assert inbox.take_in() == runs
    assert inbox.inbox.wait() is None
    assert inbox.inbox.take_all() is None


def test_what_is_urgent_is_answered_whoever_asks(inbox: Inbox) -> None:
    worker = inbox.connect(2)
    inbox.take_in()
    worker.send("get k")
    query = worker.order("ping", is_urgent=True)
    assert inbox.inbox.wait() == 1
    assert inbox.urgent == [query]


def test_only_the_primary_breaks_its_silence(inbox: Inbox) -> None:
    worker = inbox.connect(1)
    inbox.take_in()

    def is_silent() -> bool:
        assert inbox.inbox.wait() == 1
        return inbox.inbox.is_silent

    worker.send("get k")
    assert is_silent()
    inbox.primary.order("ping", is_urgent=True)
    assert not is_silent()
    assert is_silent()


@pytest.mark.parametrize("number", [0, COUNT, 65_535])
def test_no_such_process(inbox: Inbox, number: int, caplog: pytest.LogCaptureFixture) -> None:
    refused = inbox.connect(number)
    assert inbox.take_in() == []
    assert f"its number is {number}" in caplog.text
    with pytest.raises(EOFError):
        refused.receive()
    assert inbox.inbox.wait() == 0


def test_nonsense_at_the_doorway(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    inbox.doorway.send(b"\x01\x00")
    inbox.doorway.send(b"nonsense")
    with open("/dev/null") as no_socket:
        socket.send_fds(inbox.doorway, [b"\x01\x00"], [no_socket.fileno()])
    for _ in range(3):
        assert inbox.take_in() == []
    assert caplog.text.count("cannot be connected") == 3
    inbox.connect(1)
    inbox.take_in()
    assert list(inbox.inbox._by_process) == [0, 1]


def test_the_end_of_the_doorway(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    worker = inbox.connect(1)
    inbox.doorway.close()
    assert inbox.take_in() == []
    assert inbox.take_in() == []
    assert caplog.text.count("no network process can come") == 1
    run = worker.send("get k")
    assert inbox.take_in() == [run]
