"""What the network runtime has sent and the storage runtime has not handled yet (shell).

Requests are handled in the order of their arrival, but for urgent queries: those are answered as
soon as they are seen, and whoever waits for the next request sees all that has arrived. What can
wait in here is bounded by the credits of the channel.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable

from kiwi_engine.channel.frames import Query, ReceivedRequest
from kiwi_engine.server.storage.incoming import Incoming


class Inbox(ABC):
    """Owned by the executing thread. `on_urgent` answers queries at once.

    `is_silent`: the supervisor's own network process has said nothing during the last `wait`.
    """

    def __init__(self) -> None:
        self._requests: deque[ReceivedRequest] = deque()
        self._has_ended = False
        self.is_silent = False
        self.on_urgent: Callable[[list[Query]], None] = lambda queries: None

    @abstractmethod
    def wait(self) -> int | None:
        """Wait until something arrives, but not for long.

        Returns how many requests are there; None: the channel has ended, and all are handled.
        """

    @abstractmethod
    def look(self) -> None:
        """Take in what has arrived, without waiting."""

    def take(self) -> ReceivedRequest | None:
        """The request that came first; None if there is none."""
        return self._requests.popleft() if self._requests else None

    def take_all(self) -> list[ReceivedRequest] | None:
        """All that has arrived, without waiting; None: the channel has ended, and all is taken."""
        self.look()
        taken = list(self._requests)
        self._requests.clear()
        return None if self._has_ended and not taken else taken

    def _count(self) -> int | None:
        """What `wait` returns."""
        return len(self._requests) if self._requests or not self._has_ended else None

    def _accept(self, requests: Iterable[ReceivedRequest]) -> None:
        """Answer what is urgent, keep what has to wait for its turn."""
        for request in requests:
            if request.urgent:
                self.on_urgent(request.urgent)
            if request.runs or request.queries or request.gone:
                self._requests.append(request)


class SoleInbox(Inbox):
    """One channel, which has a receive timeout: a wait is one system call."""

    def __init__(self, incoming: Incoming) -> None:
        super().__init__()
        self._incoming = incoming

    def wait(self) -> int | None:
        self.is_silent = False
        if self._requests:
            self.look()
        elif not self._has_ended:
            try:
                self._take_in()
            except BlockingIOError:
                self.is_silent = True
                return 0
        return self._count()

    def look(self) -> None:
        try:
            while not self._has_ended:
                self._take_in(socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass

    def _take_in(self, flags: int = 0) -> None:
        if not self._incoming.receive(flags):
            self._has_ended = True
        self._accept(self._incoming.requests())
