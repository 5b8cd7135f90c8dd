"""What several network processes have sent, in one order (shell: executing thread).

They take turns: from each that has sent something one receive is taken in, then it is the next
one's turn. The end of a process comes behind all that it has sent, as a request of its own; that of
the supervisor ends everything.
"""

from __future__ import annotations

import select
import socket
from typing import Final

from kiwi_engine.channel.frames import ReceivedRequest
from kiwi_engine.channel.numbering import PRIMARY
from kiwi_engine.server.storage.doorway import Doorway, Newcomer
from kiwi_engine.server.storage.inbox import Inbox
from kiwi_engine.server.storage.incoming import Incoming
from kiwi_engine.server.storage.outlets import SharedOutlet

_WAIT_MS: Final = 10


class SharedInbox(Inbox):
    """Several channels; `outlet` is told which there are, and called often."""

    def __init__(self, primary: Incoming, doorway: Doorway, outlet: SharedOutlet) -> None:
        super().__init__()
        self._doorway = doorway
        self._outlet = outlet
        self._poll = select.poll()
        # In front of all channels, so that a descriptor in one answer of `poll` is of one socket.
        self._poll.register(doorway.entrance, select.POLLIN)
        self._by_process: dict[int, Incoming] = {}
        self._process_of: dict[int, int] = {}
        self._add(PRIMARY, primary)

    def wait(self) -> int | None:
        self.is_silent = True
        self._poll_for(0 if self._requests else _WAIT_MS)
        return self._count()

    def look(self) -> None:
        self._poll_for(0)

    def _poll_for(self, timeout_ms: int) -> None:
        if self._has_ended:
            return
        self._outlet.send_on()
        for descriptor, _ in self._poll.poll(timeout_ms):
            if descriptor == self._doorway.entrance.fileno():
                self._open()
            elif (process := self._process_of.get(descriptor)) is not None:
                self._take_in(process)

    def _take_in(self, process: int) -> bool:
        """Receive once; whether there may be more."""
        incoming = self._by_process[process]
        try:
            goes_on = incoming.receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        self._accept(incoming.requests())
        if process == PRIMARY:
            self.is_silent = False
        if not goes_on:
            self._end(process)
        return goes_on

    # ---- processes come and go

    def _open(self) -> None:
        newcomer = self._doorway.receive()
        if newcomer is not None:
            self._let_in(newcomer)
        if self._doorway.has_ended:
            self._poll.unregister(self._doorway.entrance)

    def _let_in(self, newcomer: Newcomer) -> None:
        process, channel = newcomer
        if process in self._by_process:
            self._take_rest(process)
        if process in self._by_process:
            # Its predecessor has not closed its end, and is not heard any more.
            self._end(process)
        self._add(process, Incoming(channel))
        self._outlet.add(process, channel)

    def _add(self, process: int, incoming: Incoming) -> None:
        self._by_process[process] = incoming
        self._process_of[incoming.channel.fileno()] = process
        self._poll.register(incoming.channel, select.POLLIN)

    def _end(self, process: int) -> None:
        incoming = self._by_process.pop(process)
        del self._process_of[incoming.channel.fileno()]
        self._poll.unregister(incoming.channel)
        if process == PRIMARY:
            self._has_ended = True
            # Others have been stopped before: what they have sent is accepted.
            for other in list(self._by_process):
                self._take_rest(other)
            return
        self._outlet.remove(process)
        incoming.channel.close()
        self._requests.append(ReceivedRequest([], [], ended=(process,)))

    def _take_rest(self, process: int) -> None:
        while self._take_in(process):
            pass
