"""What engines, snapshots and transactions offer to read (glue)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from kiwi_engine.commit.group import Entry
from kiwi_engine.embedded.keys import BytesLike, stored_key, stored_range, user_key
from kiwi_engine.engine.overlay import Row


class Reader(ABC):
    """An ordered map of bytes to bytes; keys compare as unsigned bytes."""

    def get(self, key: BytesLike) -> bytes | None:
        """The value, or None. `CorruptionError` where stored bytes are damaged."""
        return self._get(stored_key(key))

    def get_many(self, keys: Iterable[BytesLike]) -> list[bytes | None]:
        """The values of `keys` at one moment, in their order; cheaper than as many `get`."""
        return self._get_many([stored_key(key) for key in keys])

    def __contains__(self, key: BytesLike) -> bool:
        return self.get(key) is not None

    def scan(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of the keys in [begin, end), or of those that begin with `prefix`.

        In order of the keys, backwards if `reverse`. Lazy; shows one moment, that of the first
        `next()`, whatever is written meanwhile. An iterator that is not exhausted keeps old files
        until it is closed or dropped.
        """
        low, high = stored_range(begin, end, prefix)
        return self._scan(low, high, reverse)

    def keys(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
        reverse: bool = False,
    ) -> Iterator[bytes]:
        """The keys alone, as from `scan`; large values are not read."""
        low, high = stored_range(begin, end, prefix)
        return self._keys(low, high, reverse)

    def _scan(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        for key, entry in self._rows(begin, end, reverse):
            if entry is not None:
                yield user_key(key), self._value_of(key, entry)

    def _keys(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[bytes]:
        for key, entry in self._rows(begin, end, reverse):
            if entry is not None:
                yield user_key(key)

    @abstractmethod
    def _get(self, key: bytes) -> bytes | None:
        """`get` of a stored key."""

    @abstractmethod
    def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """`get_many` of stored keys."""

    @abstractmethod
    def _rows(self, begin: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        """(stored key, entry) in order, deletions (None) among them."""

    @abstractmethod
    def _value_of(self, key: bytes, entry: Entry) -> bytes:
        """The value of a present entry from `_rows`."""
