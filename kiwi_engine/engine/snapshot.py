"""What the store held at one moment, while writes, drains and collection go on (shell: any thread
reads; the executing thread takes it).

    open generation      copied: it goes on changing
    draining generation  copied: its entries become the clean cache when it is merged
    index                an `IndexSnapshot`

A drain may be half way: some of its slices are in the index already. That does no harm, because the
draining generation lies above the index and answers for every key, and every deleted range, that
its slices can have touched. A key that it does not answer for has not been touched by it.

Values in the value log stay where they are while the pin is held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final
from weakref import ref

from kiwi_engine.commit.group import Entry
from kiwi_engine.engine.overlay import Generation, Row, overlay
from kiwi_engine.engine.pins import Pin
from kiwi_engine.engine.store import Store
from kiwi_engine.engine.store_protocol import UNKNOWN, Unknown
from kiwi_engine.engine.stored import decode_stored
from kiwi_engine.index.protocol import Index, IndexSnapshot


class FrozenGeneration:
    """A generation as it was; never changes, so many snapshots may share it."""

    __slots__ = ("__weakref__", "_order", "entries", "ranges")

    def __init__(self, generation: Generation) -> None:
        self.entries: Final = dict(generation.entries)
        self.ranges: Final = tuple(generation.ranges)
        self._order: list[bytes] | None = None

    def find(self, key: bytes) -> Entry | Unknown:
        """The entry, None where it is deleted, `UNKNOWN` where this generation says nothing."""
        entry = self.entries.get(key, UNKNOWN)
        return None if entry is UNKNOWN and self.covers(key) else entry

    def covers(self, key: bytes) -> bool:
        """Whether a range deletion of this generation hides `key` in what lies below."""
        return any(begin <= key < end for begin, end in self.ranges)

    def rows(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        """(key, entry) in [begin, end), in order, deletions included."""
        order = self._order
        if order is None:
            # Two threads may both sort; the result is the same.
            order = self._order = sorted(self.entries)
        keys = order[bisect_left(order, begin) : bisect_left(order, end)]
        if reverse:
            keys.reverse()
        entries = self.entries
        return ((key, entries[key]) for key in keys)


class StoreSnapshot:
    """Reads through `find` and `rows` until `close`; then they raise `EngineClosedError`."""

    def __init__(
        self, layers: tuple[FrozenGeneration, ...], index: IndexSnapshot, pin: Pin
    ) -> None:
        """`layers`: the newest first."""
        self._layers = layers
        self._index = index
        self._pin = pin

    def find(self, key: bytes) -> Entry:
        """The entry of a key, None where there was none."""
        for layer in self._layers:
            entry = layer.find(key)
            if not isinstance(entry, Unknown):
                return entry
        stored = self._index.get(key)
        return None if stored is None else decode_stored(stored)

    def rows(self, begin: bytes, end: bytes, *, reverse: bool = False) -> Iterator[Row]:
        """(key, entry) of the keys in [begin, end), in order; deletions (None) among them."""
        rows: Iterator[Row] = (
            (key, decode_stored(stored))
            for key, stored in self._index.iterate(begin, end, reverse=reverse)
        )
        for layer in reversed(self._layers):
            hides = layer.covers if layer.ranges else None
            rows = overlay(layer.rows(begin, end, reverse), rows, hides, reverse)
        return rows

    def close(self) -> None:
        """Let go of files and memory. Closing twice is harmless."""
        self._layers = ()
        self._index.close()
        self._pin.release()

    def abandon(self) -> None:
        """Close in a forked child: takes no lock, frees nothing of the index."""
        self._layers = ()
        self._index.abandon()


class SnapshotTaker:
    """Takes snapshots of one store; used by the executing thread alone, between groups."""

    def __init__(self, store: Store, index: Index) -> None:
        self._store = store
        self._index = index
        # What the open snapshots share: generation, its size when it was copied, the copy.
        self._copies: list[tuple[Generation, int, ref[FrozenGeneration]]] = []

    def take(self, pin: Pin) -> StoreSnapshot:
        """The store as it is now, changes that are not durable yet included.

        Copies what waits to be drained, a few milliseconds at most, unless nothing was changed
        since an earlier snapshot that is still open.
        """
        store = self._store
        layers = [self._frozen(store.generation)]
        if store.draining is not None:
            layers.append(self._frozen(store.draining))
        return StoreSnapshot(tuple(layers), self._index.snapshot(), pin)

    def forget_unused(self) -> None:
        """To be called often: hold on to no generation for the sake of closed snapshots."""
        if self._copies:
            self._copies = [copy for copy in self._copies if copy[2]() is not None]

    def _frozen(self, generation: Generation) -> FrozenGeneration:
        for original, size, copy in self._copies:
            # Every change makes a generation larger.
            if original is generation and size == generation.bytes:
                shared = copy()
                if shared is not None:
                    return shared
        frozen = FrozenGeneration(generation)
        self._copies.append((generation, generation.bytes, ref(frozen)))
        return frozen
