"""Writes that are made together or not at all (pure).

A batch is physical: first its ranges are removed, then its changes are set. Deleting a range
therefore forgets earlier changes inside it.
"""

from __future__ import annotations

from kiwi_engine.embedded.keys import (
    VALUE_BYTES_MAX,
    BytesLike,
    stored_key,
    stored_range,
    stored_value,
)


class WriteBatch:
    """Collects writes for `Engine.write`; may be written again. For one thread at a time."""

    __slots__ = ("changes", "ranges", "size")

    def __init__(self) -> None:
        # Stored keys and their new values, None to delete.
        self.changes: dict[bytes, bytes | None] = {}
        self.ranges: list[tuple[bytes, bytes]] = []
        # Bytes of all keys and values that were put, overwritten ones included.
        self.size = 0

    def put(self, key: BytesLike, value: BytesLike) -> None:
        """Set a value."""
        stored, data = stored_key(key), stored_value(value)
        self.changes[stored] = data
        self.size += len(stored) + len(data)

    def delete(self, key: BytesLike) -> None:
        """Remove a key, whether or not it is there."""
        stored = stored_key(key)
        self.changes[stored] = None
        self.size += len(stored)

    def delete_range(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
    ) -> None:
        """Remove all keys in [begin, end), or those that begin with `prefix`."""
        self._delete_range(*stored_range(begin, end, prefix))

    def clear(self) -> None:
        """Forget all writes."""
        self.changes.clear()
        self.ranges.clear()
        self.size = 0

    def extend(self, later: WriteBatch) -> None:
        """Add the writes of another batch, to be made after these."""
        for low, high in later.ranges:
            self._delete_range(low, high)
        self.changes.update(later.changes)
        self.size += later.size

    def check_size(self) -> None:
        """`ValueError` where the batch is too large to be written at once."""
        if self.size > VALUE_BYTES_MAX:
            raise ValueError(f"a batch of {self.size} bytes; at most {VALUE_BYTES_MAX} are allowed")

    def _delete_range(self, low: bytes, high: bytes) -> None:
        for key in [key for key in self.changes if low <= key < high]:
            del self.changes[key]
        self.ranges.append((low, high))
        self.size += len(low) + len(high)

    def covers(self, key: bytes) -> bool:
        """Whether one of `ranges` removes the stored `key`."""
        return any(low <= key < high for low, high in self.ranges)

    def __len__(self) -> int:
        return len(self.changes) + len(self.ranges)
