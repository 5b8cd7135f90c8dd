"""TLS handshakes: those under way, and what became of the others (pure).

A client that has not finished its handshake holds a descriptor and memory like any other, so it
takes one of the places of `maxclients`. It gives that back after `tls-handshake-timeout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol


class Handshake(Protocol):
    """What is under way."""

    def abort(self) -> None: ...


class Handshakes:
    """`has_room` says whether one more client may come, and counts it if not.

    `on_failure` is called when one has given its place back.
    """

    def __init__(self, has_room: Callable[[], bool], timeout_ms: Callable[[], int]) -> None:
        self._has_room = has_room
        self._timeout_ms = timeout_ms
        self.on_failure: Callable[[], None] = lambda: None
        self._under_way: set[Handshake] = set()
        self.done_count = 0
        self.failed_count = 0
        self.timed_out_count = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def __iter__(self) -> Iterator[Handshake]:
        return iter(tuple(self._under_way))

    @property
    def timeout_s(self) -> float:
        """How long one that begins now may take."""
        return self._timeout_ms() / 1000

    def begin(self, handshake: Handshake) -> bool:
        """Whether it may begin."""
        if not self._has_room():
            return False
        self._under_way.add(handshake)
        return True

    def finish(self, handshake: Handshake) -> None:
        """It succeeded."""
        self._under_way.discard(handshake)
        self.done_count += 1

    def fail(self, handshake: Handshake, *, timed_out: bool = False) -> bool:
        """It did not; False if that is known already."""
        if handshake not in self._under_way:
            return False
        self._under_way.discard(handshake)
        if timed_out:
            self.timed_out_count += 1
        else:
            self.failed_count += 1
        self.on_failure()
        return True

    def facts(self) -> dict[str, int]:
        """What INFO tells."""
        return {
            "tls_handshakes": self.done_count,
            "tls_handshakes_in_progress": len(self._under_way),
            "tls_handshakes_failed": self.failed_count,
            "tls_handshakes_timed_out": self.timed_out_count,
        }
