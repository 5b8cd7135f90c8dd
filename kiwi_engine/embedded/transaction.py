"""Optimistic transactions (shell: each for one thread at a time).

    reads     the present, as long as it is still what it was when the transaction began;
              a key or range that was written since: conflict, at once
    writes    collected, seen by the transaction's own reads
    commit    under the mutex: nothing that was read or written here was written by another
              meanwhile, else conflict; then one batch

So every read shows the state of one moment, that of the beginning, without a snapshot, which would
have to copy what waits to be drained (docs/decisions/0010-embedded-api.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final

from kiwi_engine.commit.group import Entry
from kiwi_engine.embedded.batch import WriteBatch
from kiwi_engine.embedded.driver import Driver
from kiwi_engine.embedded.keys import BytesLike, user_key
from kiwi_engine.embedded.present import FIRST_ROWS, Present
from kiwi_engine.embedded.reader import Reader
from kiwi_engine.engine.overlay import Row, overlay
from kiwi_engine.errors import TransactionConflictError

_FIRST_ROWS: Final = 4


class Transaction(Reader):
    """Made by `Engine.transaction`; begins with the `with` block and is committed by its end.

    An exception in the block rolls back. Reads and the commit raise `TransactionConflictError`.
    """

    def __init__(self, driver: Driver, present: Present, owner: object) -> None:
        self._driver = driver
        # Kept alive: an engine that nobody holds closes.
        self._owner = owner
        self._present = present
        self._writes = WriteBatch()
        self._keys_read: set[bytes] = set()
        self._ranges_read: list[tuple[bytes, bytes]] = []
        # The version of the history at the beginning; None before it and after the end.
        self._since: int | None = None

    def put(self, key: BytesLike, value: BytesLike) -> None:
        """Set a value when the transaction is committed."""
        self._begun()
        self._writes.put(key, value)

    def delete(self, key: BytesLike) -> None:
        """Remove a key when the transaction is committed."""
        self._begun()
        self._writes.delete(key)

    def delete_range(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
    ) -> None:
        """Remove all keys in [begin, end), or those that begin with `prefix`, at the commit."""
        self._begun()
        self._writes.delete_range(begin, end, prefix=prefix)

    def rollback(self) -> None:
        """Give up; the block may go on without using the transaction."""
        self._end()

    def __enter__(self) -> Transaction:
        assert self._since is None, "a transaction is used once"
        with self._driver.mutex, self._driver.work:
            self._since = self._driver.history.begin(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._since is not None and self._writes:
                writes = self._writes
                self._driver.write(writes.changes.items(), writes.ranges, self._check_everything)
        finally:
            self._end()

    # ---- reads

    def _get(self, key: bytes) -> bytes | None:
        return self._get_many((key,))[0]

    def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._begun()
        writes = self._writes
        own = {key: writes.changes.get(key) for key in keys if self._has_own(key)}
        others = [key for key in keys if key not in own]
        if others:
            self._keys_read.update(others)
            values = self._present.get_many(others, lambda: self._check_keys(others))
            own.update(zip(others, values, strict=True))
        return [own[key] for key in keys]

    def _rows(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        self._begun()
        writes = self._writes
        changes = writes.changes.items()
        own = sorted((row for row in changes if begin <= row[0] < end), reverse=reverse)
        ranges = list(writes.ranges)

        def covers(key: bytes) -> bool:
            return any(low <= key < high for low, high in ranges)

        below = self._rows_below(begin, end, reverse)
        return overlay(iter(own), below, covers if ranges else None, reverse)

    def _rows_below(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        """Slice by slice, small ones first: what is read may conflict, so read no more than that.

        Each was unwritten since the beginning when it was read, so all of them show that moment.
        """
        count = _FIRST_ROWS
        remaining: tuple[bytes, bytes] | None = (begin, end)
        while remaining is not None:
            self._begun()
            low, high = remaining
            rows = self._present.first_rows(low, high, reverse, count, with_view=False)
            try:
                if rows.remaining is not None:
                    low, high = (rows.remaining[1], high) if reverse else (low, rows.remaining[0])
                self._ranges_read.append((low, high))
                with self._driver.mutex, self._driver.work:
                    self._check_range(low, high)
                yield from rows.rows
            finally:
                self._driver.release_soon(rows.release)
            count = min(2 * count, FIRST_ROWS)
            remaining = rows.remaining

    def _value_of(self, key: bytes, entry: Entry) -> bytes:
        return self._driver.value_of(key, entry)

    # ---- conflicts; under the mutex

    def _check_everything(self) -> None:
        writes = self._writes
        self._check_keys([*self._keys_read, *writes.changes])
        for low, high in [*self._ranges_read, *writes.ranges]:
            self._check_range(low, high)

    def _check_keys(self, keys: Sequence[bytes]) -> None:
        history, since = self._driver.history, self._begun()
        for key in keys:
            if history.key_is_written(key, since):
                raise _conflict(f"{user_key(key)!r} was")

    def _check_range(self, begin: bytes, end: bytes) -> None:
        if self._driver.history.range_is_written(begin, end, self._begun()):
            raise _conflict(f"a key from {user_key(begin)!r} to {user_key(end)!r} was")

    # ---- life

    def _begun(self) -> int:
        if self._since is None:
            raise ValueError("the transaction is not under way")
        return self._since

    def _end(self) -> None:
        self._since = None
        with self._driver.mutex:
            self._driver.history.end(self)

    def _has_own(self, key: bytes) -> bool:
        return key in self._writes.changes or self._writes.covers(key)


def _conflict(what: str) -> TransactionConflictError:
    return TransactionConflictError(f"{what} written since the transaction began, or may have been")
