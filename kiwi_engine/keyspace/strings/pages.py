"""Pages: the bytes of a long string that is changed in place (pure). Specified in formats/keys.md.

    page     "b" | version u64 | page u64  ->  its bytes, without the zeros at their end

A page that holds nothing but zeros is not stored: a string of 500 MB with one bit set takes one
page. The size of a page belongs to the string, so that the setting may change. How long the string
is, is not known here: behind its last byte all is zero, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.errors import CorruptionError
from kiwi_engine.keyspace.spread import versions
from kiwi_engine.keyspace.spread.roots import Root, decode_root

# A page larger than value-threshold would go to the value log as a whole for each bit that is set.
PAGE_BYTES_MAX: Final = 1024
# The smallest paged string has several pages, however small the setting is.
PAGES_MIN: Final = 4
# So many pages and more are walked over, fewer are looked up together: 2 us a page instead of 4, if
# they are stored. A walk between writes would also have to sort what was written.
WALKED_PAGES_MIN: Final = 100

_PAGE_NUMBER_MAX: Final = 2**64 - 1  # of the largest key, which is never used

_BODY: Final = struct.Struct(">I")
_PAGE: Final = struct.Struct(">Q")


def page_bytes_for(paged_min_bytes: int) -> int:
    """The page size of new paged strings."""
    return max(1, min(PAGE_BYTES_MAX, paged_min_bytes // PAGES_MIN))


def encode_body(page_bytes: int) -> bytes:
    """What the root of a paged string keeps beside its length."""
    return _BODY.pack(page_bytes)


def whole_string(store: Store, value: bytes) -> bytes:
    """All bytes of the string with this stored root; `CorruptionError` where it is none."""
    root = decode_root(value)
    return Pages.of(store, root).read(0, root.count)


class Pages:
    """The pages of one version; offsets are in bytes from the beginning of the string."""

    __slots__ = ("_prefix", "_store", "page_bytes")

    def __init__(self, store: Store, version: int, page_bytes: int) -> None:
        self._store = store
        self._prefix = versions.element_prefix(versions.PAGES, version)
        self.page_bytes = page_bytes

    @classmethod
    def of(cls, store: Store, root: Root) -> Pages:
        """The pages that a root names."""
        if len(root.body) != _BODY.size or not (page_bytes := _BODY.unpack(root.body)[0]):
            raise CorruptionError("index", 0, f"the root of a paged string is damaged: {root!r}")
        return cls(store, root.version, page_bytes)

    def read(self, begin: int, end: int) -> bytes:
        """The bytes in [begin, end), stored or not."""
        parts: list[bytes] = []
        reached = begin
        for at, data in self.pieces(begin, end):
            parts += (bytes(at - reached), data)
            reached = at + len(data)
        return b"".join((*parts, bytes(end - reached)))

    def pieces(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(offset, bytes) of what is stored of [begin, end), in order; all else is zero.

        Consume or drop it before the next write.
        """
        if begin >= end:
            return
        first, last = begin // self.page_bytes, (end - 1) // self.page_bytes
        for page, data in self._stored(first, last):
            at = page * self.page_bytes
            cut = data[max(0, begin - at) : end - at]
            if cut:
                yield max(at, begin), cut

    def parts(self, part_bytes: int) -> set[int]:
        """Which parts of that size something is stored of, each by its number."""
        prefix, size = self._prefix, self.page_bytes
        found: set[int] = set()
        for key, _ in self._store.range(prefix, prefix + _PAGE.pack(_PAGE_NUMBER_MAX)):
            at = int.from_bytes(key[len(prefix) :], "big") * size
            found.update(range(at // part_bytes, (at + size - 1) // part_bytes + 1))
        return found

    def write(self, offset: int, data: bytes) -> None:
        """Overwrite the bytes from `offset` on."""
        size, done = self.page_bytes, 0
        while done < len(data):
            page, inside = divmod(offset + done, size)
            part = data[done : done + size - inside]
            done += len(part)
            key = self._prefix + _PAGE.pack(page)
            if len(part) < size:
                old = self._store.get(key) or b""
                part = old[:inside].ljust(inside, b"\0") + part + old[inside + len(part) :]
            stripped = part.rstrip(b"\0")
            if stripped:
                self._store.put(key, stripped)
            else:
                self._store.delete(key)

    def _stored(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """(number, bytes) of the stored pages from `first` to `last`."""
        prefix, store = self._prefix, self._store
        if last - first + 1 >= WALKED_PAGES_MIN:
            begin, end = prefix + _PAGE.pack(first), prefix + _PAGE.pack(last + 1)
            for key, data in store.scan(begin, end):
                yield int.from_bytes(key[len(prefix) :], "big"), data
            return
        keys = [prefix + _PAGE.pack(page) for page in range(first, last + 1)]
        if len(keys) > 1:
            store.prefetch(keys)
        for page, key in enumerate(keys, first):
            found = store.get(key)
            if found is not None:
                yield page, found
