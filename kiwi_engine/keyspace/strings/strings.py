"""Strings that are read and changed in parts (pure).

A string is whole, one entry, until a command that changes a part of it leaves it longer than
`limits.paged_min_bytes`; from then on it is paged, and a change costs what the change is long.
Commands that set a string as a whole make it whole again. Both kinds are used alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kiwi_engine.errors import WrongTypeError
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.encoding import (
    DEADLINE_END,
    STRING,
    STRING_EXPIRING,
    STRING_KIND,
    deadline_of,
    kind_of,
)
from kiwi_engine.keyspace.spread.roots import RAW, Root, decode_root
from kiwi_engine.keyspace.strings.pages import Pages, encode_body, page_bytes_for

# A whole string is looked at in pieces of this size.
PIECE_BYTES: Final = 64 * 1024


class WholeString:
    """A string in one entry. Changes are in memory until `save`."""

    __slots__ = ("_database", "_key", "deadline_ms", "payload")

    def __init__(self, database: Database, key: bytes, payload: bytes, deadline_ms: int) -> None:
        self._database = database
        self._key = key
        self.payload = payload
        self.deadline_ms = deadline_ms

    @property
    def size(self) -> int:
        """The length in bytes."""
        return len(self.payload)

    def read(self, begin: int, end: int) -> bytes:
        """The bytes in [begin, end), as far as there are any."""
        return self.payload[begin:end]

    def pieces(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(offset, bytes) of parts of [begin, end), in order; all between them is zero."""
        for at in range(begin, min(end, len(self.payload)), PIECE_BYTES):
            yield at, self.payload[at : min(end, at + PIECE_BYTES)]

    def parts(self, part_bytes: int) -> set[int]:
        """Which parts of that size may be other than zero, each by its number."""
        return set(range(-(-len(self.payload) // part_bytes)))

    def resized(self, size: int) -> String:
        """The string grown to `size` bytes with zeros, unless it is longer, and then changed.

        That may be another object, whose pages are written: `save` must follow, and nothing fail.
        """
        size = max(size, len(self.payload))
        if size <= self._database.limits.paged_min_bytes:
            self.payload = self.payload.ljust(size, b"\0")
            return self
        paged = new_paged_string(self._database, self._key, self.deadline_ms)
        paged.write(0, self.payload)
        return paged.resized(size)

    def write(self, offset: int, data: bytes) -> None:
        """Overwrite the bytes from `offset` on, which must lie inside."""
        behind = self.payload[offset + len(data) :]
        self.payload = self.payload[:offset] + data + behind

    def save(self) -> None:
        """Store the changes."""
        self._database.update(self._key, self.payload, self.deadline_ms)


class PagedString:
    """A string in pages. Changed bytes are written at once, the length by `save`."""

    __slots__ = ("_database", "_key", "_pages", "_stored_size", "root")

    def __init__(self, database: Database, key: bytes, root: Root) -> None:
        self._database = database
        self._key = key
        self._pages = Pages.of(database.store, root)
        self._stored_size = root.count
        self.root = root

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self.root.count

    @property
    def page_bytes(self) -> int:
        """How long a page is."""
        return self._pages.page_bytes

    def read(self, begin: int, end: int) -> bytes:
        """The bytes in [begin, end), as far as there are any."""
        end = min(end, self.root.count)
        return self._pages.read(begin, end) if begin < end else b""

    def pieces(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(offset, bytes) of parts of [begin, end), in order; all between them is zero.

        Consume or drop it before the next write.
        """
        return self._pages.pieces(begin, min(end, self.root.count))

    def parts(self, part_bytes: int) -> set[int]:
        """Which parts of that size may be other than zero, each by its number."""
        return self._pages.parts(part_bytes)

    def resized(self, size: int) -> PagedString:
        """The string grown to `size` bytes with zeros, unless it is longer."""
        self.root.count = max(self.root.count, size)
        return self

    def write(self, offset: int, data: bytes) -> None:
        """Overwrite the bytes from `offset` on, which must lie inside."""
        self._pages.write(offset, data)

    def save(self) -> None:
        """Store the length, if it has changed."""
        if self.root.count != self._stored_size:
            self._database.save(self._key, self.root)
            self._stored_size = self.root.count

    def replace(self) -> None:
        """Store a new string over whatever was there."""
        self._database.replace(self._key, self.root)


String = WholeString | PagedString


def open_string(database: Database, key: bytes, now_ms: int) -> String | None:
    """The string at `key`; `WrongTypeError` where something else lives."""
    value = database.read_value(key, now_ms)
    if value is None:
        return None
    tag = value[0]
    if tag == STRING:
        return WholeString(database, key, value[1:], 0)
    if tag == STRING_EXPIRING:
        return WholeString(database, key, value[DEADLINE_END:], deadline_of(value))
    if kind_of(value) != STRING_KIND:
        raise WrongTypeError
    return PagedString(database, key, decode_root(value))


def open_or_new(database: Database, key: bytes, now_ms: int) -> String:
    """The string at `key`, or an empty one that is not stored before `save`."""
    return open_string(database, key, now_ms) or WholeString(database, key, b"", 0)


def new_paged_string(database: Database, key: bytes, deadline_ms: int) -> PagedString:
    """An empty string in pages, registered, its root not yet stored."""
    root = Root(STRING_KIND, RAW, deadline_ms=deadline_ms)
    database.spread(key, root)
    root.body = encode_body(page_bytes_for(database.limits.paged_min_bytes))
    return PagedString(database, key, root)
