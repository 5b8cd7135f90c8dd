"""How the channels of further network processes get to the storage process (shell).

The supervisor hands over one for each of them, and another one when such a process was replaced. A
message that makes no sense is logged and left alone, and so is the end of the doorway: who is
connected goes on.
"""

from __future__ import annotations

import logging
import socket
from typing import NamedTuple

from kiwi_engine.channel.doorway import take_channel

logger = logging.getLogger(__name__)


class Newcomer(NamedTuple):
    """A network process, by its number, and its channel."""

    process: int
    channel: socket.socket


class Doorway:
    """Owned by the executing thread.

    `count` is how many network processes there are; the first one, 0, does not come this way.
    """

    def __init__(self, entrance: socket.socket, count: int) -> None:
        entrance.setblocking(False)
        self.entrance = entrance
        self._count = count
        self.has_ended = False

    def receive(self) -> Newcomer | None:
        """Take the message that is there; None if there is none, or nothing but nonsense."""
        try:
            taken = take_channel(self.entrance)
        except BlockingIOError:
            return None
        except (OSError, ValueError) as error:
            logger.error("a network process cannot be connected: %s", error)
            return None
        if taken is None:
            self.has_ended = True
            logger.warning("the supervisor has closed the doorway: no network process can come")
            return None
        process, channel = taken
        if not 0 < process < self._count:
            logger.error("a network process cannot be connected: its number is %d", process)
            channel.close()
            return None
        return Newcomer(process, channel)
