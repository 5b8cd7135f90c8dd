"""Handing a channel to another process (shell: sockets).

    message of a doorway = number of a network process u16 little-endian, with one file descriptor

A doorway is a pair of SOCK_SEQPACKET sockets between the supervisor and one other process. To the
storage process come its ends of channels, with the numbers of the network processes at their other
ends; to a network process comes the other end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Final

_NUMBER: Final = struct.Struct("<H")
# More than one would be a mistake; room for it, so that it can be closed.
_DESCRIPTORS_MAX: Final = 4


def doorway_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends; neither waits."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.setblocking(False)
    there.setblocking(False)
    return here, there


def hand_over(doorway: socket.socket, number: int, channel: socket.socket) -> None:
    """Send a duplicate of `channel`; `OSError` if nobody is there, or too many wait there."""
    socket.send_fds(doorway, [_NUMBER.pack(number)], [channel.fileno()])


def take_channel(doorway: socket.socket) -> tuple[int, socket.socket] | None:
    """What was handed over, with the number; None: the other end is closed.

    `BlockingIOError` if there is nothing; `ValueError` for a message that is none, whose
    descriptors are closed.
    """
    try:
        data, descriptors, _, _ = socket.recv_fds(doorway, _NUMBER.size + 1, _DESCRIPTORS_MAX)
    except ConnectionError:
        return None
    if not data:
        return None
    if len(data) != _NUMBER.size or len(descriptors) != 1:
        for each in descriptors:
            with contextlib.suppress(OSError):
                os.close(each)
        raise ValueError(f"{len(data)} bytes with {len(descriptors)} descriptors")
    (number,) = _NUMBER.unpack(data)
    return number, socket.socket(fileno=descriptors[0])
