"""The storage runtime's end of the channel: order, and what is answered out of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kiwi_engine.channel.frames import LENGTH, Query, Request, Run, encode_frame
from kiwi_engine.server.storage.inbox import SoleInbox
from kiwi_engine.server.storage.incoming import Incoming


class Pair:
    """An inbox, the socket that leads to it, and the urgent queries it had answered."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.far = far
        # Microseconds: a wait that nothing ends does not hold a test up.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, 1000))
        self.incoming = Incoming(near)
        self.inbox = SoleInbox(self.incoming)
        self.answered: list[int] = []
        self.inbox.on_urgent = lambda queries: self.answered.extend(each.id for each in queries)

    def send(self, run_id: int = 0, urgent: int = 0) -> None:
        runs = [Run(run_id, 0, 0, False, [[b"get", b"k"]])] if run_id else []
        self.far.sendall(
            encode_frame(Request(runs, [], [], [Query(urgent, "ping", {})] if urgent else []))
        )

    def take(self) -> int:
        """The id of the next run; 0 if there is none."""
        request = self.inbox.take()
        return request.runs[0].id if request is not None else 0


@pytest.fixture
def pair() -> Iterator[Pair]:
    with new_pair() as made:
        yield made


@contextmanager
def new_pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield Pair(near, far)


def test_requests_keep_their_order(pair: Pair) -> None:
    assert pair.inbox.wait() == 0
    for number in (1, 2, 3):
        pair.send(number)
    assert pair.inbox.wait() == 3
    assert pair.take() == 1
    pair.send(4)
    assert pair.inbox.wait() == 3
    assert [pair.take() for _ in range(4)] == [2, 3, 4, 0]


def test_an_urgent_query_is_answered_in_front_of_what_came_before(pair: Pair) -> None:
    pair.send(1)
    pair.send(2)
    assert pair.inbox.wait() == 2
    pair.take()
    pair.send(urgent=7)
    pair.inbox.look()
    assert pair.answered == [7]
    assert pair.take() == 2
    assert pair.inbox.wait() == 0, "nothing is left of it"
    pair.send(3, urgent=8)
    assert pair.inbox.wait() == 1
    assert pair.answered == [7, 8]


def test_all_that_has_arrived_is_taken_at_once(pair: Pair) -> None:
    pair.send(1)
    pair.inbox.wait()
    pair.send(2)
    requests = pair.inbox.take_all()
    assert requests is not None
    assert [request.runs[0].id for request in requests] == [1, 2]
    assert pair.inbox.take_all() == []
    assert pair.inbox.take() is None


def test_the_end_of_the_channel_comes_behind_what_was_sent(pair: Pair) -> None:
    pair.send(1)
    pair.send(2)
    pair.far.shutdown(socket.SHUT_WR)
    assert pair.inbox.wait() == 2
    assert [pair.take(), pair.take()] == [1, 2]
    assert pair.inbox.wait() is None
    assert pair.inbox.take_all() is None
    assert pair.inbox.wait() is None


def test_the_end_is_seen_between_two_requests(pair: Pair) -> None:
    pair.send(1)
    pair.inbox.wait()
    pair.far.close()
    requests = pair.inbox.take_all()
    assert requests is not None
    assert len(requests) == 1, "it is told when this is done"
    assert pair.inbox.take_all() is None


def test_the_first_frame_is_no_request(pair: Pair) -> None:
    pair.far.sendall(LENGTH.pack(8) + b"settings")
    pair.send(1)
    assert pair.incoming.first_frame() == b"settings"
    pair.send(2)
    assert pair.inbox.wait() == 2


def test_a_peer_that_goes_at_once() -> None:
    with new_pair() as made:
        made.far.close()
        with pytest.raises(EOFError):
            made.incoming.first_frame()
