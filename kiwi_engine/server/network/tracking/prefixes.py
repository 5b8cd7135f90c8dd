"""Which connections track a key by one of its prefixes (pure).

To find the prefixes of a key takes one look for each *length* of prefix that somebody tracks,
however many there are of it: mostly one or two.
"""

from __future__ import annotations

from collections.abc import Iterable


class PrefixTable:
    """Connections are told apart by their numbers."""

    def __init__(self) -> None:
        self._trackers: dict[bytes, set[int]] = {}
        # The lengths that prefixes have, shortest first, and how many prefixes have each of them.
        self._lengths: list[int] = []
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        """How many prefixes are tracked."""
        return len(self._trackers)

    def names(self) -> list[bytes]:
        """The prefixes that are tracked."""
        return list(self._trackers)

    def add(self, source: int, prefixes: Iterable[bytes]) -> None:
        """`source` tracks these prefixes."""
        for prefix in prefixes:
            trackers = self._trackers.get(prefix)
            if trackers is None:
                trackers = self._trackers[prefix] = set()
                self._count(len(prefix), 1)
            trackers.add(source)

    def remove(self, source: int, prefixes: Iterable[bytes]) -> None:
        """`source` tracks these prefixes no more."""
        for prefix in prefixes:
            trackers = self._trackers[prefix]
            trackers.discard(source)
            if not trackers:
                del self._trackers[prefix]
                self._count(len(prefix), -1)

    def of_key(self, key: bytes) -> list[bytes]:
        """The prefixes of `key` that are tracked, shortest first."""
        trackers, size = self._trackers, len(key)
        starts = (key[:length] for length in self._lengths if length <= size)
        return [start for start in starts if start in trackers]

    def trackers(self, prefix: bytes) -> list[int]:
        """Who tracks `prefix`, in the order of their numbers."""
        return sorted(self._trackers.get(prefix, ()))

    def _count(self, length: int, change: int) -> None:
        count = self._counts.get(length, 0) + change
        if count:
            self._counts[length] = count
        else:
            del self._counts[length]
        self._lengths = sorted(self._counts)
