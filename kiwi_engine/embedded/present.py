"""Reading what is there now (shell: any thread).

Memory is looked at under the mutex; the index and the value log are read outside of it, under a
pin. Meanwhile a drain may be half way through the entries that came later, and show a state of the
key that never was (a range deleted, its new value still missing). So what came from the index
counts only if the open generation is still the one that was looked at: what a drain writes was
sealed before, and of a drain that ran already the key was known to be untouched.

Nothing is returned that a crash could take back: where the log has not acknowledged yet what was
read, the read waits for it; and reads again if it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from kiwi_engine.commit.group import Entry
from kiwi_engine.embedded.driver import Driver
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.overlay import Generation, Row
from kiwi_engine.engine.pins import Pin
from kiwi_engine.engine.snapshot import StoreSnapshot
from kiwi_engine.engine.store_protocol import UNKNOWN, Unknown
from kiwi_engine.engine.stored import decode_stored

# Rows of a range that are read under the mutex, a few hundred microseconds at most.
FIRST_ROWS: Final = 128

# Called under the mutex at the moment whose state is read; may raise a `KiwiError`.
Check = Callable[[], None]


class Slice(NamedTuple):
    """The first rows of a range; large values are readable until `release` is called.

    `remaining` is the range behind them; None if these were all. `view` shows it as it was then.
    """

    rows: list[Row]
    remaining: tuple[bytes, bytes] | None
    view: StoreSnapshot | None
    release: Callable[[], None]


class Present:
    """Reads of one engine."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def get(self, key: bytes) -> bytes | None:
        """The value of a stored key, or None."""
        driver = self._driver
        # `_look`, without a call: most programs read more than they write.
        with driver.mutex, driver.work as engine:
            entry = engine.store.find_in_memory(key)
            is_acknowledged = engine.is_acknowledged(key)
        if is_acknowledged and (entry is None or type(entry) is bytes):
            return entry
        return self.get_many((key,))[0]

    def get_now(self, key: bytes) -> bytes | Unknown | None:
        """Like `get`, but `UNKNOWN` where it would have to wait for anything.

        It waits for the mutex where another thread takes it in the moment after the first line:
        an interrupt after an `acquire` that does not wait would leave it taken for ever.
        """
        driver = self._driver
        if driver.mutex.locked():
            return UNKNOWN
        with driver.mutex:
            if driver.work.is_unfinished or driver.engine.has_unseen_failure:
                return UNKNOWN
            with driver.work as engine:
                entry = _look(engine, key)
        return entry if entry is None or type(entry) is bytes else UNKNOWN

    def get_many(self, keys: Sequence[bytes], check: Check | None = None) -> list[bytes | None]:
        """The values of stored keys at one moment."""
        while True:
            values = self._try_to_get(keys, check)
            if values is not None:
                return values

    def _try_to_get(self, keys: Sequence[bytes], check: Check | None) -> list[bytes | None] | None:
        """None if what was read has changed under the reader, or was not acknowledged."""
        driver = self._driver
        pin = Pin("read")
        try:
            with driver.mutex, driver.work as engine:
                if check is not None:
                    check()
                store = engine.store
                entries = {key: store.find_in_memory(key) for key in keys}
                generation = store.generation
                is_acknowledged = all(map(engine.is_acknowledged, entries))
                waiter = None if is_acknowledged else driver.barrier()
                engine.pins.open(pin)
            values = self._values_of(entries, generation)
        finally:
            pin.is_open = False
        if values is None or not driver.is_acknowledged(waiter):
            return None
        return [values[key] for key in keys]

    def _values_of(
        self, entries: dict[bytes, Entry | Unknown], generation: Generation
    ) -> dict[bytes, bytes | None] | None:
        """Under a pin: the values of what memory showed in `generation`'s time, or did not know."""
        unknown = [key for key, entry in entries.items() if isinstance(entry, Unknown)]
        if unknown:
            found = self._from_index(unknown, generation)
            if found is None:
                return None
            entries.update(found)
        values: dict[bytes, bytes | None] = {}
        for key, entry in entries.items():
            assert not isinstance(entry, Unknown)
            values[key] = None if entry is None else self._driver.value_of(key, entry)
        return values

    def _from_index(
        self, keys: Sequence[bytes], generation: Generation
    ) -> dict[bytes, Entry] | None:
        """Entries from the index, where they are those of `generation`'s time; see above."""
        driver = self._driver
        stored = driver.engine.opened.index.get_many(keys)
        found: dict[bytes, Entry] = {}
        with driver.mutex, driver.work as engine:
            store = engine.store
            if store.generation is not generation:
                return None
            for key, raw in zip(keys, stored, strict=True):
                if raw is None:
                    found[key] = None
                else:
                    entry = decode_stored(raw)
                    store.clean.add(key, entry)
                    found[key] = entry
        return found

    # ---- ranges

    def rows(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        """(stored key, entry) in [begin, end) at one moment; deletions (None) among them."""
        first = self.first_rows(begin, end, reverse)
        is_finished = False
        try:
            yield from first.rows
            if first.view is not None and first.remaining is not None:
                yield from first.view.rows(*first.remaining, reverse=reverse)
            is_finished = True
        finally:
            if is_finished:
                first.release()
            else:
                # Perhaps run by the garbage collector, which may interrupt whoever holds locks.
                self._driver.release_soon(first.release)

    def first_rows(
        self,
        begin: bytes,
        end: bytes,
        reverse: bool,
        count: int = FIRST_ROWS,
        *,
        with_view: bool = True,
    ) -> Slice:
        """Up to `count` rows, and a view of the others if there are more.

        Most ranges are short, and nothing has to be copied for them.
        """
        driver = self._driver
        while True:
            with driver.mutex, driver.work as engine:
                rows = list(islice(engine.store.rows(begin, end, reverse=reverse), count))
                remaining = (
                    _behind(rows[-1][0], begin, end, reverse) if len(rows) == count else None
                )
                if remaining is not None and with_view:
                    view = driver.take_snapshot("iterator")
                    result = Slice(rows, remaining, view, partial(driver.close_view, view))
                else:
                    pin = engine.pins.take("iterator")
                    result = Slice(rows, remaining, None, pin.release)
                waiter = driver.barrier()
            is_acknowledged = False
            try:
                is_acknowledged = driver.is_acknowledged(waiter)
            finally:
                if not is_acknowledged:
                    result.release()
            if is_acknowledged:
                return result


def _look(engine: Engine, key: bytes) -> Entry | Unknown:
    """Within the work: an acknowledged entry from memory, or `UNKNOWN`."""
    entry = engine.store.find_in_memory(key)
    return entry if engine.is_acknowledged(key) else UNKNOWN


def _behind(last: bytes, begin: bytes, end: bytes, reverse: bool) -> tuple[bytes, bytes]:
    """What is left of [begin, end) when rows up to `last` have been read."""
    return (begin, last) if reverse else (last + b"\x00", end)
