"""A view of the RocksDB index that later writes do not change (shell; any number of threads).

It is one RocksDB iterator, because that is what keeps a view: the iterators that rocksdict 0.3.29
makes from its own `Snapshot` show later writes all the same (only its `[key]` does not; a test
provokes it). A second iterator of the same view cannot be had, so readers share this one: each
seeks anew under the lock, and ranges are read in slices.

A look-up costs about 6 µs, holding the interpreter lock also while the disk is read. While it is
open the tables and memtables of its time are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final

from rocksdict import RdictIter

from kiwi_engine.errors import EngineClosedError
from kiwi_engine.index.leak import leak
from kiwi_engine.index.translate import translate

# Rows read at a time: few at first, as most readers of a range want few; 512 take 0.3 ms.
SLICE_ROWS_FIRST: Final = 16
SLICE_ROWS_MAX: Final = 512

_Row = tuple[bytes, bytes]


class RocksSnapshot:
    """Implements `index.protocol.IndexSnapshot`; made by `RocksIndex.snapshot`."""

    def __init__(self, cursor: RdictIter, path: str) -> None:
        self._lock = threading.Lock()
        # Guarded by the lock, the position of the cursor included; None once closed.
        self._cursor: RdictIter | None = cursor
        self._path = path

    def get(self, key: bytes) -> bytes | None:
        """The value, or None if the key was absent."""
        with self._lock:
            cursor = self._open_cursor()
            cursor.seek(key)
            if cursor.valid():
                return cursor.value() if cursor.key() == key else None
            self._raise_if_failed(cursor)
            return None

    def iterate(self, begin: bytes, end: bytes, *, reverse: bool = False) -> Iterator[_Row]:
        """The entries in [begin, end), in order."""
        count = SLICE_ROWS_FIRST
        while True:
            rows = self._slice(begin, end, reverse, count)
            yield from rows
            if len(rows) < count:
                return
            count = min(2 * count, SLICE_ROWS_MAX)
            last = rows[-1][0]
            begin, end = (begin, last) if reverse else (last + b"\x00", end)

    def close(self) -> None:
        """Let go of what it keeps; later calls raise `EngineClosedError`."""
        with self._lock:
            self._cursor = None

    def abandon(self) -> None:
        """Close without freeing anything; see `Index.abandon`."""
        # The former lock may be held by a thread that this process does not have.
        self._lock = threading.Lock()
        leak(self._cursor)
        self._cursor = None

    def _slice(self, begin: bytes, end: bytes, reverse: bool, count: int) -> list[_Row]:
        with self._lock:
            cursor = self._open_cursor()
            walk = _backward if reverse else _forward
            rows = walk(cursor, begin, end, count)
            if not cursor.valid():
                self._raise_if_failed(cursor)
            return rows

    def _open_cursor(self) -> RdictIter:
        if self._cursor is None:
            raise EngineClosedError("the snapshot is closed")
        return self._cursor

    def _raise_if_failed(self, cursor: RdictIter) -> None:
        # A damaged block makes a cursor invalid, exactly like the end of the data.
        try:
            cursor.status()
        except Exception as error:
            raise translate(error, self._path) from error


def _forward(cursor: RdictIter, begin: bytes, end: bytes, count: int) -> list[_Row]:
    cursor.seek(begin)
    rows: list[_Row] = []
    while cursor.valid() and len(rows) < count:
        key = cursor.key()
        if key >= end:
            break
        rows.append((key, cursor.value()))
        cursor.next()
    return rows


def _backward(cursor: RdictIter, begin: bytes, end: bytes, count: int) -> list[_Row]:
    cursor.seek_for_prev(end)
    if cursor.valid() and cursor.key() == end:
        cursor.prev()
    rows: list[_Row] = []
    while cursor.valid() and len(rows) < count:
        key = cursor.key()
        if key < begin:
            break
        rows.append((key, cursor.value()))
        cursor.prev()
    return rows
