"""What the keyspace may ask of the engine (pure: types only).

`engine.store.Store` is the real one; `testing.memory_store.MemoryStore` keeps everything in a dict
for unit and differential tests. Only the thread that executes commands calls these. A write is seen
by the next read at once; that it is durable before any reply leaves is the commit pipeline's duty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from kiwi_engine.vlog.separated import HEAD_BYTES

# HEAD_BYTES: at least this many leading bytes of every value can be read without the value log.
__all__ = ["HEAD_BYTES", "UNKNOWN", "Store", "Tally", "Unknown"]


class Unknown:
    """The type of `UNKNOWN`: memory cannot tell without asking the index."""


UNKNOWN: Final = Unknown()


class Store(Protocol):
    """An ordered map of bytes to bytes. Keys compare as unsigned bytes."""

    def get(self, key: bytes) -> bytes | None:
        """The whole value, or None. `CorruptionError` where stored bytes are damaged."""
        ...

    def head(self, key: bytes) -> bytes | None:
        """The first bytes of the value (`HEAD_BYTES` at least, or all of a shorter value)."""
        ...

    def peek_head(self, key: bytes) -> bytes | Unknown | None:
        """Like `head`, but from memory only: `UNKNOWN` where a disk read would be needed."""
        ...

    def prefetch(self, keys: Sequence[bytes]) -> None:
        """Bring `keys` into memory with one batched read; a hint, never an error."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value; blind, reads nothing."""
        ...

    def delete(self, key: bytes) -> None:
        """Remove a key if present; blind, reads nothing."""
        ...

    def delete_range(self, begin: bytes, end: bytes) -> None:
        """Remove all keys in [begin, end) at once."""
        ...

    def keep_undo(self, is_on: bool) -> None:
        """Note from now on what changes replace, so that `undo` works; or do so no more."""
        ...

    def forget_undo(self) -> None:
        """What was changed so far stays: a new command begins."""
        ...

    def undo(self) -> bool:
        """Take back all changes since `forget_undo`; whether there were any."""
        ...

    def range(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """(key, head) of the keys in [begin, end), in order, unwritten changes included.

        Consume or drop it before the next write. `head` is as from `head()`.
        """
        ...

    def scan(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Like `range`, but with whole values; reads the value log where they lie there."""
        ...

    def count(self, counter: bytes) -> int:
        """How many present keys the tally (see `Tally`) assigns to `counter`; exact.

        Except that keys of a `delete_range` may be counted a while longer. It is meant for what is
        dead already and no longer asked for: a flushed namespace may hold millions of keys.
        """
        ...

    def recent_counts(self) -> Mapping[bytes, int]:
        """All counters at once and quickly: some seconds old at most, exact when little changes."""
        ...


class Tally(Protocol):
    """Which counters a stored entry counts for, e.g. "keys of namespace 3" (pure)."""

    def __call__(self, key: bytes, head: bytes) -> tuple[bytes, ...]: ...
