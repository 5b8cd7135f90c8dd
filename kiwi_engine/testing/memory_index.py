"""An index in memory that forgets at a crash what was not flushed (pure).

Behaves as `index.protocol.Index` says, for tests that crash the engine thousands of times. After a
crash a real index may have kept any whole-batch prefix of what was written since the last flush
(RocksDB flushes on its own when a memtable is full): `crash` takes the length of that prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from kiwi_engine.errors import EngineClosedError, IndexStalledError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.index.protocol import Change, IndexFacts, KeyRange

_IMAGE: Final = "IMAGE"
_Batch = tuple[tuple[Change, ...], tuple[KeyRange, ...]]


class MemoryIndex:
    """A dict with a durable copy."""

    def __init__(self, durable: dict[bytes, bytes] | None = None) -> None:
        """Start from `durable`, as if an index with that content had just been opened."""
        self.durable = dict(durable or {})
        # Where checkpoints are made; set by tests that make some.
        self.files: FileSystem | None = None
        self.stalled_writes = 0  # how many of the next writes stall; tests set it
        self._live = dict(self.durable)
        self._unflushed: list[_Batch] = []
        self._closed = False

    @property
    def version(self) -> str:
        """Says that this is the fake."""
        return "MemoryIndex"

    @property
    def unflushed_batches(self) -> int:
        """How many batches a crash may take back."""
        return len(self._unflushed)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None if the key is absent."""
        return self.get_many((key,))[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys`, in their order."""
        self._check_open()
        return [self._live.get(key) for key in keys]

    def write(self, changes: Sequence[Change], ranges: Sequence[KeyRange]) -> None:
        """Delete `ranges`, then apply `changes`; stalls while `stalled_writes` says so."""
        self._check_open()
        if self.stalled_writes:
            self.stalled_writes -= 1
            raise IndexStalledError("the index is stalled because the test wants it")
        batch = (tuple(changes), tuple(ranges))
        _apply(self._live, batch)
        self._unflushed.append(batch)

    def iterate(
        self, begin: bytes, end: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries in [begin, end) as they are now."""
        self._check_open()
        keys = [key for key in self._live if begin <= key and (end is None or key < end)]
        return iter([(key, self._live[key]) for key in sorted(keys, reverse=reverse)])

    def snapshot(self) -> MemorySnapshot:
        """A copy."""
        self._check_open()
        return MemorySnapshot(dict(self._live))

    def flush(self) -> None:
        """Make everything written so far durable."""
        self._check_open()
        self.durable = dict(self._live)
        self._unflushed.clear()

    def checkpoint(self, path: str) -> None:
        """One file on the disk of the test, `files`; `from_checkpoint` reads it."""
        self._check_open()
        assert self.files is not None, "a test that makes checkpoints gives the index a disk"
        self.files.make_directory(path)
        file = self.files.create(f"{path}/{_IMAGE}")
        try:
            file.pwritev([msgspec.msgpack.encode(self._live)], 0)
            file.datasync()
        finally:
            file.close()
        self.files.sync_directory(path)

    @classmethod
    def from_checkpoint(cls, files: FileSystem, path: str) -> MemoryIndex:
        """The index that a checkpoint at `path` holds; an empty one where there is none."""
        index, image = cls(), f"{path}/{_IMAGE}"
        if files.exists(image):
            file = files.open(image, writable=False)
            content = file.pread(file.size(), 0)
            file.close()
            index = cls(msgspec.msgpack.decode(content, type=dict[bytes, bytes]))
        index.files = files
        return index

    def facts(self) -> IndexFacts:
        """Sizes of the two copies; a fake has no levels and never stalls on its own."""
        self._check_open()
        return IndexFacts(
            files_per_level=(1 if self.durable else 0,),
            table_bytes=_size(self.durable),
            pending_compaction_bytes=0,
            immutable_memtables=0,
            memtable_bytes=sum(_batch_size(batch) for batch in self._unflushed),
            write_stopped=self.stalled_writes > 0,
            delayed_write_bytes_per_second=0,
            block_cache_bytes=0,
            running_compactions=0,
            running_flushes=0,
            background_errors=0,
            estimated_keys=len(self._live),
        )

    def close(self) -> None:
        """Flush and refuse further calls, as RocksDB does."""
        if not self._closed:
            self.flush()
            self._closed = True

    def fingerprint(self) -> int:
        """Equal for indexes of the same content that have nothing unflushed; in one process."""
        return hash((frozenset(self.durable.items()), len(self._unflushed)))

    def abandon(self) -> None:
        """Nothing to keep from being written."""

    def crash(self, kept_batches: int = 0) -> MemoryIndex:
        """The index that a restart finds when `kept_batches` unflushed batches reached the disk."""
        survivor = dict(self.durable)
        for batch in self._unflushed[:kept_batches]:
            _apply(survivor, batch)
        return MemoryIndex(survivor)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosedError("the index is closed")


class MemorySnapshot:
    """Implements `index.protocol.IndexSnapshot`."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self._entries: dict[bytes, bytes] | None = entries

    def get(self, key: bytes) -> bytes | None:
        """The value, or None if the key was absent."""
        return self._open_entries().get(key)

    def iterate(
        self, begin: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries in [begin, end)."""
        entries = self._open_entries()
        keys = sorted((key for key in entries if begin <= key < end), reverse=reverse)
        return iter([(key, entries[key]) for key in keys])

    def close(self) -> None:
        """Refuse further calls."""
        self._entries = None

    def abandon(self) -> None:
        """Refuse further calls."""
        self._entries = None

    def _open_entries(self) -> dict[bytes, bytes]:
        if self._entries is None:
            raise EngineClosedError("the snapshot is closed")
        return self._entries


def _apply(entries: dict[bytes, bytes], batch: _Batch) -> None:
    changes, ranges = batch
    for begin, end in ranges:
        for key in [key for key in entries if begin <= key < end]:
            del entries[key]
    for key, value in changes:
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value


def _size(entries: dict[bytes, bytes]) -> int:
    return sum(len(key) + len(value) for key, value in entries.items())


def _batch_size(batch: _Batch) -> int:
    return sum(len(key) + len(value or b"") for key, value in batch[0])
