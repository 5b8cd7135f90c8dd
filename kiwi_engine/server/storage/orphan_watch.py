"""Ends the storage process when its supervisor is gone (shell: one thread of its own).

The executing thread reads the end of the channel between two frames, commits what it accepted and
ends. But it may be in the middle of a long command, of a recovery or of a close, and meanwhile
nobody could start another server on the directory. So this thread gives it a deadline and then ends
the process. That loses nothing: whatever was acknowledged is in the log.

An orderly stop closes one direction of the channel only, so it is none of this.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from typing import Final

from kiwi_engine.clock import sleep

logger = logging.getLogger(__name__)

# Together with the start of another server well within the five seconds that are promised.
DEADLINE_S: Final = 4.0
_EXIT_CODE: Final = 1


class OrphanWatch:
    """Watches the peer of `channel` from `start` on, as long as the process lives."""

    def __init__(self, channel: socket.socket, deadline_s: float = DEADLINE_S) -> None:
        self._poll = select.poll()
        # Asked for nothing: the end of both directions is told all the same.
        self._poll.register(channel, 0)
        self._deadline_s = deadline_s
        self._thread = threading.Thread(target=self._run, name="kiwi-orphan", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        self._poll.poll()
        sleep(self._deadline_s)
        logger.critical(
            "the supervisor is gone, and this process is not done after %g s: it ends now",
            self._deadline_s,
        )
        os._exit(_EXIT_CODE)


def is_gone(channel: socket.socket) -> bool:
    """Whether the peer has closed the channel for good, or died."""
    poll = select.poll()
    poll.register(channel, 0)
    return bool(poll.poll(0))
