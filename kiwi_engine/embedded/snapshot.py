"""A consistent view of the past (glue)."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence

from kiwi_engine.commit.group import Entry
from kiwi_engine.embedded.driver import Driver
from kiwi_engine.embedded.reader import Reader
from kiwi_engine.engine.overlay import Row
from kiwi_engine.engine.snapshot import StoreSnapshot


class Snapshot(Reader):
    """What the engine held when it was taken, until it is closed; for any number of threads.

    While it is open, the files and the pending changes of its time are kept. After `close`, or
    after that of its engine, reads raise `EngineClosedError`. Reads of the disk hold the
    interpreter lock (see `index.rocks_snapshot`).
    """

    def __init__(self, driver: Driver, view: StoreSnapshot, owner: object) -> None:
        """Use `Engine.snapshot`. `owner` is kept alive: an engine that nobody holds closes."""
        self._driver = driver
        self._owner = owner
        self._view = view
        self._finalizer = weakref.finalize(
            self, driver.release_soon, lambda: driver.close_view(view)
        )
        self._finalizer.atexit = False

    def close(self) -> None:
        """Let go of files and memory. Closing twice is harmless."""
        self._finalizer.detach()
        self._driver.close_view(self._view)

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _get(self, key: bytes) -> bytes | None:
        entry = self._view.find(key)
        return None if entry is None else self._value_of(key, entry)

    def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._get(key) for key in keys]

    def _rows(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        return self._view.rows(begin, end, reverse=reverse)

    def _value_of(self, key: bytes, entry: Entry) -> bytes:
        return self._driver.value_of(key, entry)


def take_snapshot(driver: Driver, owner: object) -> Snapshot:
    """Of what is acknowledged; waits for the log if something is on its way."""
    while True:
        with driver.mutex, driver.work:
            view = driver.take_snapshot("snapshot")
            waiter = driver.barrier()
        is_acknowledged = False
        try:
            is_acknowledged = driver.is_acknowledged(waiter)
        finally:
            if not is_acknowledged:
                driver.close_view(view)
        if is_acknowledged:
            return Snapshot(driver, view, owner)
