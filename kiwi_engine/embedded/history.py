"""Who wrote what since a transaction began (pure).

Every write raises the version. While transactions are open, the last version of each written key
is remembered, up to a bound; what was forgotten counts as written, so a transaction that is older
than the memory meets a conflict that need not be one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from weakref import ref

KEYS_MAX: Final = 100_000

_Range = tuple[bytes, bytes]


class WriteHistory:
    """One owner at a time."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self.version = 0
        self._keys_max = keys_max
        # The open transactions. One that was dropped before its end, as its program was
        # interrupted, disappears by itself.
        self._open: set[ref[object]] = set()
        self._keys: dict[bytes, int] = {}
        self._ranges: list[tuple[int, _Range]] = []
        # Of older versions than this nothing is known.
        self._known_since = 0

    def begin(self, transaction: object) -> int:
        """It starts; returns its `since` from now on."""
        self._open.add(ref(transaction, self._open.discard))
        return self.version

    def end(self, transaction: object) -> None:
        """It is over; harmless if it was so already."""
        self._open.discard(ref(transaction))
        if not self._open:
            self._keys, self._ranges = {}, []

    def record(self, keys: Iterable[bytes], ranges: Iterable[_Range]) -> None:
        """These were written, together."""
        self.version += 1
        if not self._open:
            return
        version = self.version
        for key in keys:
            self._keys[key] = version
        self._ranges += [(version, row) for row in ranges]
        if len(self._keys) + len(self._ranges) > self._keys_max:
            # First, or an interrupt in between would hide what was written.
            self._known_since = version
            self._keys, self._ranges = {}, []

    def key_is_written(self, key: bytes, since: int) -> bool:
        """Whether `key` was, or may have been, written since then."""
        if since < self._known_since or self._keys.get(key, 0) > since:
            return True
        return any(version > since and low <= key < high for version, (low, high) in self._ranges)

    def range_is_written(self, begin: bytes, end: bytes, since: int) -> bool:
        """Whether a key in [begin, end) was, or may have been, written since then.

        Looks at every remembered key: it takes a few milliseconds when there are many.
        """
        if since < self._known_since:
            return True
        if self.version == since:
            return False
        return any(
            version > since and low < end and begin < high for version, (low, high) in self._ranges
        ) or any(version > since and begin <= key < end for key, version in self._keys.items())

    @property
    def open_transactions(self) -> int:
        return len(self._open)
