"""What of a group has to reach other network processes before the rest does (pure).

With several channels the frames of a group leave one after the other, and this process may die
between two of them. A client that has an answer must be able to rely on what it means for others:
whoever waited was served, and transactions that watch what it changed are broken. So those are
told first; then a write that woke or broke somebody who was never told was itself never answered,
and the network processes know what to do (`server.network.shared_losses`).
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.channel.events import EVENT_RUN, WatchBroken, encode_event

Reply = tuple[int, bytes]

# An array of two, and the tag.
_BROKEN: Final = encode_event(WatchBroken([]))[:2]


class SendingOrder:
    """`served` is called on the executing thread, `split` on whichever thread delivers."""

    def __init__(self) -> None:
        self._served: set[int] = set()

    def served(self, run: int) -> None:
        """A run that waited has its answer, which leaves with the group."""
        self._served.add(run)

    def split(self, replies: list[Reply]) -> tuple[list[Reply], list[Reply]]:
        """What is to be sent first, and what comes behind it."""
        first: list[Reply] = []
        rest: list[Reply] = []
        for reply in replies:
            run, encoded = reply
            if run == EVENT_RUN:
                is_first = encoded.startswith(_BROKEN)
            elif is_first := run in self._served:
                self._served.remove(run)
            (first if is_first else rest).append(reply)
        return first, rest
