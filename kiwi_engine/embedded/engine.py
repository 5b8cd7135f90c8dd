"""An engine inside a program (glue): what `kiwi_engine.open` returns."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar, Unpack

from kiwi_engine.commit.group import Entry
from kiwi_engine.embedded import upkeep
from kiwi_engine.embedded.batch import WriteBatch
from kiwi_engine.embedded.driver import Driver
from kiwi_engine.embedded.keys import (
    BytesLike,
    stored_key,
    stored_range,
    stored_value,
)
from kiwi_engine.embedded.options import Options, settings_from
from kiwi_engine.embedded.present import Present
from kiwi_engine.embedded.reader import Reader
from kiwi_engine.embedded.snapshot import Snapshot, take_snapshot
from kiwi_engine.embedded.statistics import Statistics, collect_statistics
from kiwi_engine.embedded.transaction import Transaction
from kiwi_engine.embedded.waiting import Waiter
from kiwi_engine.engine.backup.job import BackupReport
from kiwi_engine.engine.engine import Engine as StorageEngine
from kiwi_engine.engine.overlay import Row
from kiwi_engine.engine.store_protocol import Unknown
from kiwi_engine.errors import TransactionConflictError
from kiwi_engine.keyspace.encoding import EMBEDDED, EMBEDDED_COUNTER, EMBEDDED_END

Result = TypeVar("Result")

ATTEMPTS: Final = 16


class Engine(Reader):
    """A durable, ordered map of bytes to bytes; safe to use from any number of threads.

    Every write has reached the log, and with `appendfsync="always"` the device, when its method
    returns. Writes of several threads share a sync. No read shows what a crash could take back.
    Writes raise `DiskFullError` (passes by itself when space is freed) or `EnginePoisonedError`
    (after a failed sync; reads go on, opening anew recovers); everything raises
    `EngineClosedError` after `close`.
    """

    def __init__(self, path: str | os.PathLike[str], options: Options) -> None:
        """Use `kiwi_engine.open`."""
        settings = settings_from(options)
        self._path = os.path.abspath(os.fspath(path))
        self._driver = Driver(self._path, settings)
        try:
            self._present = Present(self._driver)
            self._finalizer = weakref.finalize(self, _forsake, self._driver, self._path)
            self._finalizer.atexit = False
        except BaseException:
            self._driver.is_forsaken = True
            raise

    @property
    def path(self) -> str:
        """The data directory."""
        return self._path

    # ---- writes

    def put(self, key: BytesLike, value: BytesLike) -> None:
        """Set a value; reads nothing."""
        self._driver.write(((stored_key(key), stored_value(value)),))

    def delete(self, key: BytesLike) -> None:
        """Remove a key, whether or not it is there; reads nothing."""
        self._driver.write(((stored_key(key), None),))

    def delete_range(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
    ) -> None:
        """Remove all keys in [begin, end), or those that begin with `prefix`, at once."""
        self._driver.write((), (stored_range(begin, end, prefix),))

    def write(self, batch: WriteBatch) -> None:
        """Make all writes of a batch, or, if it raises, none of them."""
        batch.check_size()
        if batch:
            self._driver.write(batch.changes.items(), batch.ranges)

    # ---- views

    def snapshot(self) -> Snapshot:
        """A consistent view of what is there now; close it, or use it with `with`."""
        return take_snapshot(self._driver, self)

    def transaction(self) -> Transaction:
        """To be used with `with`: reads and writes that take effect together, or conflict."""
        return Transaction(self._driver, self._present, self)

    def transact(
        self, function: Callable[[Transaction], Result], attempts: int = ATTEMPTS
    ) -> Result:
        """Call `function` with a transaction, again after each conflict; returns its result.

        `TransactionConflictError` after so many attempts. `function` must not have other effects.
        """
        for _ in range(attempts - 1):
            try:
                return self._transact_once(function)
            except TransactionConflictError:
                pass
        return self._transact_once(function)

    def _transact_once(self, function: Callable[[Transaction], Result]) -> Result:
        with self.transaction() as transaction:
            return function(transaction)

    def count(self) -> int:
        """How many keys there are; exact.

        Looks at every change that was not drained yet; as long as a range deletion is among them
        (for `drain_interval` at most) it walks over all keys.
        """
        driver = self._driver

        def look(engine: StorageEngine) -> tuple[int, Waiter | None] | None:
            store = engine.store
            if store.has_pending_ranges(EMBEDDED, EMBEDDED_END):
                return None
            return store.count(EMBEDDED_COUNTER), driver.barrier()

        # By its own thread, as it waits for the drain that is under way, and merges it.
        while (found := driver.on_own_thread(look)) is not None:
            count, waiter = found
            if driver.is_acknowledged(waiter):
                return count
        return sum(1 for _ in self.keys())

    # ---- the engine itself

    def sync(self) -> None:
        """Return when everything written so far is on the device, whatever `appendfsync` says."""
        upkeep.sync(self._driver)

    def flush(self) -> None:
        """Bring everything written so far into the index, and that to disk.

        Never needed for safety; it shortens the next recovery and releases log files.
        """
        upkeep.flush(self._driver)

    def collect(self, share: float = 0.1) -> int:
        """Collect the garbage of the value log now; returns how many bytes of disk were freed.

        It is collected in the background anyway, by and by. `share` (0.01 to 1): how much of a
        segment must be dead for it to be rewritten.
        """
        return upkeep.collect(self._driver, share)

    def backup(self, target: str | os.PathLike[str], *, incremental: bool = False) -> BackupReport:
        """Make a backup in the directory `target`; writes go on meanwhile.

        `incremental`: add to the earlier backup that is there. `kiwi-engine restore` restores it.
        `BackupError` where it cannot be made, or another one is in progress.
        """
        return upkeep.backup(self._driver, target, incremental)

    def statistics(self) -> Statistics:
        """What it has done since it was opened, and what it holds."""
        return collect_statistics(self._driver)

    def configure(self, **options: Unpack[Options]) -> None:
        """Change options that may change; `ConfigError` lists all problems and changes nothing."""
        self._driver.configure(settings_from(options, self._driver.settings))

    def close(self) -> None:
        """Commit, sync and drain everything; release the directory. Closing twice is harmless."""
        self._finalizer.detach()
        self._driver.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def __reduce__(self) -> str:
        raise TypeError("an open engine cannot be pickled or copied")

    def __repr__(self) -> str:
        return f"<kiwi_engine.Engine {self._path!r}>"

    # ---- reads

    def get(self, key: BytesLike) -> bytes | None:
        """The value, or None. `CorruptionError` where stored bytes are damaged."""
        return self._present.get(stored_key(key))

    def get_now(self, key: bytes) -> bytes | Unknown | None:
        """The value of a stored key from memory, `UNKNOWN` where it would have to wait."""
        return self._present.get_now(key)

    def _get(self, key: bytes) -> bytes | None:
        return self._present.get(key)

    def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._present.get_many(keys)

    def _rows(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        return self._present.rows(begin, end, reverse)

    def _value_of(self, key: bytes, entry: Entry) -> bytes:
        return self._driver.value_of(key, entry)


def _forsake(driver: Driver, path: str) -> None:
    """Nobody holds the engine any more, so nobody can close it: its own thread does."""
    driver.is_forsaken = True
    warnings.warn(f"unclosed engine {path!r}", ResourceWarning, stacklevel=2)
