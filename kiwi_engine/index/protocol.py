"""What the engine may ask of its index (pure: types only).

The index is an ordered map of bytes to bytes without a log of its own: what was written is durable
only after `flush` returned, and after a crash a whole-batch prefix of what was written is found
again. `index.rocks.RocksIndex` is the real one, `testing.memory_index.MemoryIndex` the fake.

Calls may come from several threads, except that one thread at a time writes, and that nothing may
run beside `close`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

# A key and its new value; None deletes the key.
Change = tuple[bytes, bytes | None]
# All keys k with begin <= k < end.
KeyRange = tuple[bytes, bytes]


class IndexFacts(msgspec.Struct, frozen=True, gc=False):
    """How the index is doing, at one moment; the throttle and INFO read it.

    Byte counts are of RocksDB's own books; `estimated_keys` counts overwritten and deleted entries
    that compaction has not removed yet.
    """

    files_per_level: tuple[int, ...]
    table_bytes: int
    pending_compaction_bytes: int
    immutable_memtables: int
    memtable_bytes: int
    write_stopped: bool
    delayed_write_bytes_per_second: int
    block_cache_bytes: int
    running_compactions: int
    running_flushes: int
    background_errors: int
    estimated_keys: int

    @property
    def level_zero_files(self) -> int:
        """Files that reads must all look into, and that stall writes when there are many."""
        return self.files_per_level[0] if self.files_per_level else 0


class IndexSnapshot(Protocol):
    """What an index held at one moment; any thread. Errors are as those of `Index`."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None if the key was absent."""
        ...

    def iterate(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries in [begin, end), in order; lazy."""
        ...

    def close(self) -> None:
        """Let go of what it keeps; later calls raise `EngineClosedError`."""
        ...

    def abandon(self) -> None:
        """Like `close`, for a forked child; see `Index.abandon`."""
        ...


class Index(Protocol):
    """An ordered map of bytes to bytes. Keys compare as unsigned bytes.

    Every method raises `CorruptionError` where stored bytes are damaged, `IndexFailedError` where
    the system refuses to read or write, and `EngineClosedError` after `close`.
    """

    @property
    def version(self) -> str:
        """What stores the data, with its version; for INFO."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """The value, or None if the key is absent."""
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys`, in their order; one batched read."""
        ...

    def write(self, changes: Sequence[Change], ranges: Sequence[KeyRange]) -> None:
        """Delete `ranges`, then apply `changes`: all of it or nothing.

        Cheapest when `changes` are sorted by key. `IndexStalledError` if the index would have to
        wait: nothing was applied, wait and call again.
        """
        ...

    def iterate(
        self, begin: bytes, end: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries in [begin, end), in order, as they are at the time of this call.

        Lazy; `end` None means no upper bound. Later writes are not seen. An unfinished iterator
        holds back the removal of old files: drop it soon.
        """
        ...

    def snapshot(self) -> IndexSnapshot:
        """A view that later writes do not change; keeps old files until it is closed."""
        ...

    def flush(self) -> None:
        """Make everything written before this call durable; returns when it is."""
        ...

    def checkpoint(self, path: str) -> None:
        """Make the directory `path`: an index of its own that holds what this one holds now.

        At least every write that ended before the call, and only whole ones. `path` must not
        exist, and must lie on the file system of this index, whose immutable files it shares.
        """
        ...

    def facts(self) -> IndexFacts:
        """The state of the index; costs about ten microseconds."""
        ...

    def close(self) -> None:
        """Flush, stop background work and release the files. Closing twice is harmless."""
        ...

    def abandon(self) -> None:
        """For a forked child, which has no background threads: never close, flush or free it.

        Nor its snapshots, of which each is closed.
        """
        ...
