"""Connects workers with the storage process of the moment (shell: sockets).

Each pair of one worker and one storage process has a channel of its own, made here, whose ends are
handed over to them. The supervisor keeps none of it: a channel ends with either of the two.
"""

from __future__ import annotations

import socket

from kiwi_engine.channel.doorway import hand_over
from kiwi_engine.server.network.storage_client.process_link import channel_pair


class Channels:
    """Knows the doorway of the newest storage process."""

    def __init__(self) -> None:
        self._storage: socket.socket | None = None

    def storage_began(self, doorway: socket.socket | None) -> None:
        """From now on channels lead to this process."""
        self._storage = doorway

    @property
    def has_storage(self) -> bool:
        """Whether there is a storage process, as far as it is known."""
        return self._storage is not None and self._storage.fileno() >= 0

    def connect(self, number: int, worker: socket.socket) -> bool:
        """Give a worker, by its doorway, a channel; `OSError` if that cannot be.

        False if there is no storage process: the next one will be connected when it begins.
        """
        storage = self._storage
        if storage is None or not self.has_storage:
            return False
        near, far = channel_pair()
        with near, far:
            try:
                hand_over(storage, number, far)
                hand_over(worker, number, near)
            except ConnectionError:
                # One of them is about to be found dead; its successor will be connected.
                return False
        return True
