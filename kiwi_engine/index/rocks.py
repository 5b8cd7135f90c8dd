"""The index on RocksDB (shell).

Promises what `index.protocol.Index` says. Knows nothing of what keys and values mean. All errors of
RocksDB leave here translated.

Measured with rocksdict 0.3.29, CPython 3.11, half a million keys in the block cache, per key:
`get` of one key 4.3 µs but holding the interpreter lock, also while the disk is read; `get([key])`
5.6 µs, lists of 16 and more 3.4 µs, sorted lists 1.9 µs, all with the lock released; an absent key
1.2 µs; an iterator step 0.3 µs, a seek 4.5 µs. So every point read goes through the list form: one
slow disk must not stop the log thread.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from tempfile import TemporaryDirectory
from weakref import WeakSet

from rocksdict import AccessType, Checkpoint, DbClosedError, Rdict, RdictIter, WriteBatch

from kiwi_engine.errors import IndexFailedError
from kiwi_engine.index.leak import leak
from kiwi_engine.index.options import database_options, scan_options, write_options
from kiwi_engine.index.protocol import Change, IndexFacts, KeyRange
from kiwi_engine.index.rocks_snapshot import RocksSnapshot
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.index.shadow import make_shadow
from kiwi_engine.index.translate import translate
from kiwi_engine.index.version import version_of_directory

_LEVEL_COUNT = 7
# The file that RocksDB creates last: without it there is no database.
_CURRENT = "CURRENT"

_Entries = Generator[tuple[bytes, bytes], None, None]


class RocksIndex:
    """One open RocksDB database."""

    def __init__(
        self, database: Rdict, path: str, shadow: TemporaryDirectory[str] | None = None
    ) -> None:
        """Use `open`."""
        self._database = database
        self._path = path
        self._shadow = shadow
        self._write_options = write_options()
        # RocksDB keeps its lock until the last iterator is gone, so `close` ends those left over.
        self._iterators: WeakSet[_Entries | RocksSnapshot] = WeakSet()

    @classmethod
    def open(cls, path: str, settings: IndexSettings, *, read_only: bool = False) -> RocksIndex:
        """Open the database in directory `path`, created if missing unless `read_only`.

        A read-only index takes no lock and changes no file; it may be opened beside a running
        server and shows what that one had flushed. `LockedError` if another process writes it.
        """
        if read_only and not os.path.exists(os.path.join(path, _CURRENT)):
            raise IndexFailedError(path, "there is no index here")
        access = AccessType.read_only(False) if read_only else AccessType.read_write()
        options = database_options(settings, create=not read_only)
        shadow = make_shadow(path) if read_only else None
        try:
            database = Rdict(shadow.name if shadow else path, options, access_type=access)
        except Exception as error:
            if shadow:
                shadow.cleanup()
            raise translate(error, path) from error
        return cls(database, path, shadow)

    @property
    def version(self) -> str:
        """RocksDB's version, read from the options file that it writes, and rocksdict's."""
        return version_of_directory(self._path)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None if the key is absent."""
        return self.get_many((key,))[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys`, in their order; one MultiGet, the interpreter lock released."""
        try:
            values: list[bytes | None] = self._database.get(list(keys))  # type: ignore[assignment]
        except Exception as error:
            raise translate(error, self._path) from error
        return values

    def write(self, changes: Sequence[Change], ranges: Sequence[KeyRange]) -> None:
        """Delete `ranges`, then apply `changes`, in one batch that never waits."""
        batch = WriteBatch(raw_mode=True)
        for begin, end in ranges:
            if begin < end:
                batch.delete_range(begin, end)
        put, delete = batch.put, batch.delete
        for key, value in changes:
            if value is None:
                delete(key)
            else:
                put(key, value)
        try:
            self._database.write(batch, self._write_options)
        except Exception as error:
            raise translate(error, self._path) from error

    def iterate(
        self, begin: bytes, end: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries in [begin, end) as they are now; see the protocol."""
        try:
            cursor = self._database.iter(scan_options())
        except Exception as error:
            raise translate(error, self._path) from error
        walk = self._backward if reverse else self._forward
        entries = walk(cursor, begin, end)
        self._iterators.add(entries)
        return entries

    def _forward(self, cursor: RdictIter, begin: bytes, end: bytes | None) -> _Entries:
        cursor.seek(begin)
        while cursor.valid():
            key = cursor.key()
            if end is not None and key >= end:
                return
            yield key, cursor.value()
            cursor.next()
        self._raise_if_failed(cursor)

    def _backward(self, cursor: RdictIter, begin: bytes, end: bytes | None) -> _Entries:
        if end is None:
            cursor.seek_to_last()
        else:
            cursor.seek_for_prev(end)
            if cursor.valid() and cursor.key() == end:
                cursor.prev()
        while cursor.valid():
            key = cursor.key()
            if key < begin:
                return
            yield key, cursor.value()
            cursor.prev()
        self._raise_if_failed(cursor)

    def _raise_if_failed(self, cursor: RdictIter) -> None:
        # A damaged block makes a cursor invalid, exactly like the end of the data.
        try:
            cursor.status()
        except Exception as error:
            raise translate(error, self._path) from error

    def snapshot(self) -> RocksSnapshot:
        """A view that later writes do not change; see the protocol."""
        try:
            cursor = self._database.iter(scan_options())
        except Exception as error:
            raise translate(error, self._path) from error
        snapshot = RocksSnapshot(cursor, self._path)
        self._iterators.add(snapshot)
        return snapshot

    def flush(self) -> None:
        """Write the memtables to table files and sync them; releases the interpreter lock."""
        try:
            self._database.flush(wait=True)
        except Exception as error:
            raise translate(error, self._path) from error

    def checkpoint(self, path: str) -> None:
        """Hard links of the tables, copies of the few other files, synced.

        rocksdict makes it with the interpreter lock held, memtables included: they are flushed
        before, without the lock, so that there is little left to write. Measured: see
        docs/decisions/0008-online-backup.md.
        """
        self.flush()
        try:
            Checkpoint(self._database).create_checkpoint(path)
        except Exception as error:
            raise translate(error, self._path) from error

    def tables(self) -> list[str]:
        """The paths of the table files that the index consists of at present."""
        try:
            files = self._database.live_files()
        except Exception as error:
            raise translate(error, self._path) from error
        return sorted(f"{self._path}{file['name']}" for file in files)

    def facts(self) -> IndexFacts:
        """RocksDB's properties; about 10 µs."""
        number = self._property
        return IndexFacts(
            files_per_level=tuple(number(f"num-files-at-level{n}") for n in range(_LEVEL_COUNT)),
            table_bytes=number("total-sst-files-size"),
            pending_compaction_bytes=number("estimate-pending-compaction-bytes"),
            immutable_memtables=number("num-immutable-mem-table"),
            memtable_bytes=number("cur-size-all-mem-tables"),
            write_stopped=number("is-write-stopped") != 0,
            delayed_write_bytes_per_second=number("actual-delayed-write-rate"),
            block_cache_bytes=number("block-cache-usage"),
            running_compactions=number("num-running-compactions"),
            running_flushes=number("num-running-flushes"),
            background_errors=number("background-errors"),
            estimated_keys=number("estimate-num-keys"),
        )

    def _property(self, name: str) -> int:
        try:
            value = self._database.property_int_value("rocksdb." + name)
        except Exception as error:
            raise translate(error, self._path) from error
        assert value is not None, f"RocksDB does not know its property {name}"
        return value

    def abandon(self) -> None:
        """Keep the objects of RocksDB for ever; see `index.leak`."""
        leak(self._database)
        for entries in list(self._iterators):
            if isinstance(entries, RocksSnapshot):
                entries.abandon()
            else:
                leak(entries)

    def close(self) -> None:
        """Flush and release the files; iterators that are still alive end here."""
        for entries in list(self._iterators):
            if isinstance(entries, RocksSnapshot):
                entries.close()
            else:
                _end(entries)
        try:
            self._database.close()
        except DbClosedError:
            return
        except Exception as error:
            raise translate(error, self._path) from error
        finally:
            if self._shadow:
                self._shadow.cleanup()


def _end(entries: _Entries) -> None:
    """Close an iterator, and let go of its cursor even if nobody has begun to read.

    In Python 3.12 and 3.13 the `close` of a generator that was never begun keeps its arguments.
    """
    try:
        entries.throw(GeneratorExit)
    except GeneratorExit:
        pass
