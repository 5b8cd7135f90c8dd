"""Channels that are handed over, and what is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from kiwi_engine.channel.doorway import doorway_pair, hand_over, take_channel

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def doorway() -> Iterator[Ends]:
    here, there = doorway_pair()
    with here, there:
        yield here, there


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_is_handed_over_leads_to_the_other_end(doorway: Ends) -> None:
    here, there = doorway
    near, far = socket.socketpair()
    with near:
        with far:
            hand_over(here, 513, far)
        taken = take_channel(there)
        assert taken is not None
        number, channel = taken
        assert number == 513
        with channel:
            near.sendall(b"through")
            assert channel.recv(100) == b"through"
        assert near.recv(100) == b"", "nobody else holds it"


def test_there_may_be_nothing(doorway: Ends) -> None:
    with pytest.raises(BlockingIOError):
        take_channel(doorway[1])


def test_the_other_end_may_be_closed(doorway: Ends) -> None:
    here, there = doorway
    here.close()
    assert take_channel(there) is None
    with pytest.raises(ConnectionError):
        near, far = socket.socketpair()
        with near, far:
            hand_over(there, 1, far)


def test_what_waits_for_one_who_never_came_is_closed(doorway: Ends) -> None:
    here, there = doorway
    near, far = socket.socketpair()
    with near:
        with far:
            hand_over(here, 1, far)
        there.close()
        assert near.recv(1) == b""


def test_nonsense_is_refused_and_closed(doorway: Ends) -> None:
    here, there = doorway
    near, far = socket.socketpair()
    with near, far:
        before = open_descriptors()
        for message, descriptors in (
            (b"\1\0", []),
            (b"\1\0", [far.fileno(), near.fileno()]),
            (b"\1", [far.fileno()]),
            (b"\1\0\0", [far.fileno()]),
        ):
            socket.send_fds(here, [message], descriptors)
            with pytest.raises(ValueError, match="descriptors"):
                take_channel(there)
            assert open_descriptors() == before


def test_a_doorway_holds_no_more_than_the_system_takes(doorway: Ends) -> None:
    here, _ = doorway
    near, far = socket.socketpair()
    with near, far, pytest.raises(BlockingIOError):
        for _ in range(100_000):
            hand_over(here, 1, far)
