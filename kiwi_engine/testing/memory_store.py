"""A `Store` that keeps everything in a dict (pure).

For tests of what lies above the engine: it promises the order, the blindness and the exact counts
of `engine.store_protocol.Store`, and nothing about durability. `peek_head` answers `UNKNOWN` for
the keys that a test asks for, as a real store does for those that are only on disk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from kiwi_engine.engine.store_protocol import HEAD_BYTES, UNKNOWN, Tally, Unknown


def _is_always_in_memory(_key: bytes) -> bool:
    return True


class MemoryStore:
    """An ordered map in memory; `reads` counts the keys whose value or head was asked for."""

    def __init__(
        self, tally: Tally, is_in_memory: Callable[[bytes], bool] = _is_always_in_memory
    ) -> None:
        self.reads = 0
        self._tally = tally
        self._is_in_memory = is_in_memory
        self._entries: dict[bytes, bytes] = {}
        # The keys in order, or None while a key was added or removed since they were sorted.
        self._order: list[bytes] | None = []
        # (key, value) before each change since `forget_undo`, while undo is kept.
        self._replaced: list[tuple[bytes, bytes | None]] | None = None

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return self._entries.get(key)

    def head(self, key: bytes) -> bytes | None:
        self.reads += 1
        value = self._entries.get(key)
        return None if value is None else value[:HEAD_BYTES]

    def peek_head(self, key: bytes) -> bytes | Unknown | None:
        if not self._is_in_memory(key):
            return UNKNOWN
        value = self._entries.get(key)
        return None if value is None else value[:HEAD_BYTES]

    def prefetch(self, keys: Sequence[bytes]) -> None:
        """Nothing to bring: everything is in memory."""

    def keep_undo(self, is_on: bool) -> None:
        self._replaced = [] if is_on else None

    def forget_undo(self) -> None:
        self.keep_undo(True)

    def undo(self) -> bool:
        replaced, self._replaced = self._replaced or [], None
        for key, value in reversed(replaced):
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value
        self._order = None
        return bool(replaced)

    def put(self, key: bytes, value: bytes) -> None:
        self._note(key)
        if key not in self._entries:
            self._order = None
        self._entries[key] = value

    def delete(self, key: bytes) -> None:
        self._note(key)
        if self._entries.pop(key, None) is not None:
            self._order = None

    def delete_range(self, begin: bytes, end: bytes) -> None:
        for key in self._between(begin, end):
            self._note(key)
            del self._entries[key]
            self._order = None

    def range(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        keys = self._between(begin, end)
        for key in reversed(keys) if reverse else keys:
            yield key, self._entries[key][:HEAD_BYTES]

    def scan(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        keys = self._between(begin, end)
        for key in reversed(keys) if reverse else keys:
            yield key, self._entries[key]

    def count(self, counter: bytes) -> int:
        entries = self._entries.items()
        return sum(counter in self._tally(key, value[:HEAD_BYTES]) for key, value in entries)

    def recent_counts(self) -> Mapping[bytes, int]:
        counts: Counter[bytes] = Counter()
        for key, value in self._entries.items():
            counts.update(self._tally(key, value[:HEAD_BYTES]))
        return counts

    def snapshot(self) -> dict[bytes, bytes]:
        """A copy of all entries, for a test to compare or to restart from."""
        return dict(self._entries)

    def restore(self, entries: dict[bytes, bytes]) -> None:
        """Go back to a `snapshot`, as a rollback or a restart does."""
        self._entries = dict(entries)
        self._order = None

    def _note(self, key: bytes) -> None:
        if self._replaced is not None:
            self._replaced.append((key, self._entries.get(key)))

    def _between(self, begin: bytes, end: bytes) -> list[bytes]:
        order = self._order
        if order is None:
            order = self._order = sorted(self._entries)
        return order[bisect_left(order, begin) : bisect_left(order, end)]
