"""What happens to open engines when the process forks or ends (glue).

In a forked child, which has none of an engine's threads, each is abandoned. At the end of the
interpreter each is closed: everything acknowledged is durable anyway, but the next start is spared
the replay.
"""

from __future__ import annotations

import atexit
import os
from typing import Protocol
from weakref import WeakSet


class Living(Protocol):
    """Something that is open."""

    def close(self) -> None: ...

    def abandon(self) -> None: ...


_open: WeakSet[Living] = WeakSet()


def watch(living: Living) -> None:
    """From now on; until nobody holds it any more."""
    _open.add(living)


def _abandon_all() -> None:
    for living in list(_open):
        living.abandon()


@atexit.register
def _close_all() -> None:
    for living in list(_open):
        living.close()


os.register_at_fork(after_in_child=_abandon_all)
