"""The deadlines of the fields of a spread hash, in order (pure). `hash_rows` has the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.keyspace.hashes.rows import due_bound, due_key, parse_due_key
from kiwi_engine.keyspace.spread.versions import FIELD_DEADLINES, element_prefix


class FieldDeadlines:
    """`first_ms` is what the root keeps: no deadline is earlier; 0 if there are none.

    It may be earlier than all, because it does not move when a deadline is taken away.
    """

    __slots__ = ("_now_ms", "_prefix", "_store", "_version", "first_ms")

    def __init__(self, store: Store, version: int, first_ms: int, now_ms: int) -> None:
        self._store = store
        self._version = version
        self._now_ms = now_ms
        self._prefix = element_prefix(FIELD_DEADLINES, version)
        self.first_ms = first_ms

    def is_over(self, deadline_ms: int) -> bool:
        """Whether a field of that deadline has expired."""
        return 0 < deadline_ms < self._now_ms

    def move(self, field: bytes, previous_ms: int, deadline_ms: int) -> None:
        """The deadline of `field` was `previous_ms` and is `deadline_ms` now; 0 is none."""
        if previous_ms:
            self._store.delete(due_key(self._prefix, previous_ms, field))
        if deadline_ms:
            self._store.put(due_key(self._prefix, deadline_ms, field), b"")
            if not 0 < self.first_ms <= deadline_ms:
                self.first_ms = deadline_ms

    def expired_count(self, counted_max: int) -> int:
        """How many fields have expired and are still stored, `counted_max` at most."""
        if not self.is_over(self.first_ms):
            return 0
        expired = self._walk(due_bound(self._prefix, self._now_ms))
        return sum(1 for _ in islice(expired, counted_max))

    def expired(self, limit: int) -> list[tuple[int, bytes]]:
        """(deadline, field) of up to `limit` expired fields, all of which the caller removes."""
        end = element_prefix(FIELD_DEADLINES, self._version + 1)
        due = [parse_due_key(key) for key in islice(self._walk(end), limit + 1)]
        expired = [entry for entry in due[:limit] if self.is_over(entry[0])]
        left = due[len(expired) :]
        self.first_ms = left[0][0] if left else 0
        return expired

    def _walk(self, end: bytes) -> Iterator[bytes]:
        """The entries up to `end`, in order."""
        # Not from the beginning of the table: that is full of what was removed a moment ago.
        begin = due_bound(self._prefix, self.first_ms)
        return (key for key, _ in self._store.range(begin, end))
