"""What a worker that starts is told of what clients have asked for before (glue: event loop).

Settings and users are in what it is started with.
"""

from __future__ import annotations

from typing import Any, Final

from kiwi_engine.server.network.pauses import Pauses
from kiwi_engine.server.network.peers.peers import Peers

_PAUSE: Final = "pause"


def tell_newcomers(peers: Peers, pauses: Pauses) -> None:
    """In the primary: tell each worker that joins. In a worker: do what is told."""
    if peers.is_primary:

        def joined(worker: int) -> None:
            left = pauses.left()
            if left is not None:
                peers.tell(_PAUSE, left, to=worker)

        peers.watch(joined, _ignore)
    else:

        def pause(parameters: Any) -> None:
            timeout_ms, holds_all = parameters
            pauses.begin(timeout_ms, holds_all=holds_all)

        peers.register(_PAUSE, pause)


def _ignore(worker: int) -> None:
    """A worker that has left is owed nothing."""
