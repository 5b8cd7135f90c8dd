"""Where replies of one storage process to several network processes go."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from kiwi_engine.channel.events import Spike, encode_event
from kiwi_engine.channel.numbering import Numbering
from kiwi_engine.server.storage.outlets import SharedOutlet
from tests.support.storage_channels import Channel

COUNT = 3
EVENT = (0, encode_event(Spike("fork", 1)))
UNSENT_BYTES_MAX = 4_000_000
LARGE = b"x" * 1_000_000


class Outlets:
    """An outlet, and the network processes that it leads to: two of three."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        self.sockets = [near]
        self.outlet = SharedOutlet(near, COUNT, UNSENT_BYTES_MAX)
        self.primary = Channel(Numbering(0, COUNT), far)
        self.worker = self.connect(1)

    def connect(self, process: int) -> Channel:
        near, far = socket.socketpair()
        self.sockets.append(near)
        self.outlet.add(process, near)
        return Channel(Numbering(process, COUNT), far)


@pytest.fixture
def outlets() -> Iterator[Outlets]:
    made = Outlets()
    yield made
    for each in (*made.sockets, made.primary.socket, made.worker.socket):
        each.close()


def test_each_gets_its_own_in_order_and_all_events(outlets: Outlets) -> None:
    replies = [(1, b"a"), (2, b"b"), EVENT, (-5, b"back"), (4, b"c"), (3, b"nobody")]
    outlets.outlet.send(replies, [(1, "", "x"), (2, "no", None), (6, "", "nobody")])
    outlets.worker.reply(-5)
    assert outlets.worker.replies == {2: b"b", -5: b"back"}
    assert outlets.worker.answers == {2: ("no", None)}
    outlets.primary.reply(4)
    assert outlets.primary.replies == {1: b"a", 4: b"c"}
    assert outlets.primary.answers == {1: ("", "x")}
    assert [channel.events for channel in (outlets.primary, outlets.worker)] == [
        [Spike("fork", 1)]
    ] * 2


def test_who_is_told_nothing_gets_no_frame(outlets: Outlets) -> None:
    outlets.worker.wait_for_hello()
    outlets.outlet.send([(1, b"a")], [])
    outlets.outlet.send([(2, b"b")], [])
    outlets.worker.reply(2)
    assert outlets.worker.frames == 2
    outlets.primary.reply(1)
    assert outlets.primary.frames == 1
    outlets.outlet.say_hello()
    outlets.primary.receive()
    assert outlets.primary.frames == 2


def test_who_does_not_read_gets_it_all_later(outlets: Outlets) -> None:
    for turn in range(4):
        outlets.outlet.send([(2 + turn * COUNT, LARGE), (1 + turn * COUNT, b"a")], [])
    outlets.primary.reply(10)
    assert 3 * len(LARGE) < outlets.outlet.unsent_bytes() <= UNSENT_BYTES_MAX
    reader = threading.Thread(target=outlets.worker.reply, args=(11,))
    reader.start()
    while outlets.outlet.unsent_bytes():
        outlets.outlet.send_on()
    reader.join()
    assert list(outlets.worker.replies) == [2, 5, 8, 11]
    assert set(outlets.worker.replies.values()) == {LARGE}


def test_a_worker_with_too_much_unread_is_cut_off(
    outlets: Outlets, caplog: pytest.LogCaptureFixture
) -> None:
    for turn in range(6):
        outlets.outlet.send([(2 + turn * COUNT, LARGE)], [])
    assert "its channel is closed" in caplog.text
    assert outlets.outlet.unsent_bytes() == 0
    assert outlets.sockets[1].recv(1) == b"", "the end is seen here"
    with pytest.raises(EOFError):
        outlets.worker.reply(17)
    outlets.outlet.send([(20, b"nobody"), (1, b"a")], [])
    assert outlets.primary.reply(1) == b"a"
    successor = outlets.connect(1)
    outlets.outlet.send([(23, b"b")], [])
    assert successor.reply(23) == b"b"
    successor.socket.close()


def test_the_primary_is_waited_for(outlets: Outlets) -> None:
    def send() -> None:
        for turn in range(6):
            outlets.outlet.send([(1 + turn * COUNT, LARGE)], [])

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(0.1)
    assert sender.is_alive(), "it waits with the fifth one"
    assert outlets.primary.reply(13) == LARGE
    sender.join()
    while 16 not in outlets.primary.replies:
        outlets.outlet.send_on()
        outlets.primary.receive()
    assert list(outlets.primary.replies) == [1, 4, 7, 10, 13, 16]


def test_two_threads_send_whole_frames(outlets: Outlets) -> None:
    def send(first: int) -> None:
        for turn in range(200):
            identity = first + 2 * COUNT * turn
            outlets.outlet.send([(identity, b"%d" % identity * 1000), EVENT], [])

    senders = [threading.Thread(target=send, args=(first,)) for first in (2, 5)]
    for sender in senders:
        sender.start()
    last = {2 + 2 * COUNT * 199, 5 + 2 * COUNT * 199}
    while not last <= outlets.worker.replies.keys():
        outlets.outlet.send_on()
        outlets.worker.receive()
    for sender in senders:
        sender.join()
    assert all(blob == b"%d" % run * 1000 for run, blob in outlets.worker.replies.items())
    assert len(outlets.worker.events) == 400


def test_a_worker_that_has_gone_is_forgotten(
    outlets: Outlets, caplog: pytest.LogCaptureFixture
) -> None:
    outlets.worker.socket.close()
    with caplog.at_level(logging.WARNING):
        outlets.outlet.send([(2, b"a"), (1, b"b")], [])
        outlets.outlet.send([(5, b"a"), (4, b"b")], [])
    assert caplog.text.count("it is gone") == 1
    assert outlets.primary.reply(4) == b"b"
    outlets.outlet.remove(1)
