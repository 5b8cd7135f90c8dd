"""Lists that are stored as one entry (pure). Specified in formats/keys.md.

root     MessagePack array of the elements, head first
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.lists.encoding import (
    ELEMENT_OVERHEAD_MAX,
    EMPTY_BYTES,
    is_small_again,
    listpack_bytes,
    outgrows,
)
from kiwi_engine.keyspace.lists.spread import spread_list
from kiwi_engine.keyspace.spread.roots import LISTPACK, QUICKLIST, Root

decode_elements: Final = msgspec.msgpack.Decoder(list[bytes]).decode
encode_elements: Final = msgspec.msgpack.Encoder().encode


class PackedList:
    """A small list: decoded once, changed in memory, written as a whole by `save`."""

    __slots__ = ("_db", "_elements", "_has_shrunk", "_key", "root")

    def __init__(self, db: Database, key: bytes, root: Root, elements: list[bytes]) -> None:
        self._db = db
        self._key = key
        self.root = root
        self._elements = elements
        self._has_shrunk = False

    @property
    def count(self) -> int:
        return len(self._elements)

    def get(self, index: int) -> bytes:
        """The element at `index`."""
        return self._elements[index]

    def read(self, start: int, count: int) -> list[bytes]:
        """`count` elements from index `start` on."""
        return self._elements[start : start + count]

    def find(self, element: bytes, length: int, *, reverse: bool = False) -> Iterator[int]:
        """The indexes of equal elements among the first or last `length` ones.

        Consume or drop it before the next change.
        """
        elements = self._elements
        indexes = range(len(elements))
        for index in (indexes[::-1] if reverse else indexes)[:length]:
            if elements[index] == element:
                yield index

    def push(self, elements: Sequence[bytes], *, at_head: bool) -> None:
        """Add elements at one end, one after the other."""
        self._expect(elements)
        if at_head:
            self._elements[:0] = elements[::-1]
        else:
            self._elements += elements

    def pop(self, count: int, *, at_head: bool) -> list[bytes]:
        """Take `count` elements from one end, the outermost first; there must be so many."""
        if at_head:
            popped = self._elements[:count]
            del self._elements[:count]
        else:
            start = len(self._elements) - count
            popped = self._elements[start:][::-1]
            del self._elements[start:]
        self._has_shrunk = True
        return popped

    def set(self, index: int, element: bytes) -> None:
        """Replace the element at `index`."""
        self._expect((element,))
        self._elements[index] = element
        self._has_shrunk = True

    def insert(self, index: int, element: bytes) -> None:
        """Put an element in front of the one at `index`, or at the end."""
        self._expect((element,))
        self._elements.insert(index, element)

    def remove(self, element: bytes, limit: int, *, reverse: bool) -> int:
        """Remove up to `limit` equal elements, the first or the last ones; how many it were."""
        found = list(islice(self.find(element, self.count, reverse=reverse), limit))
        for index in found if reverse else reversed(found):
            del self._elements[index]
        self._has_shrunk = True
        return len(found)

    def trim(self, start: int, stop: int) -> None:
        """Keep only the elements from index `start` up to `stop`, which is not one of them."""
        self._elements = self._elements[start:stop]
        self._has_shrunk = True

    def save(self) -> None:
        """Write the list; without elements the key goes. A large one becomes spread."""
        db, root, elements = self._db, self.root, self._elements
        if not elements:
            db.drop(self._key, root)
            return
        if self._has_shrunk and root.encoding == QUICKLIST:
            self._shrink()
        pack_or_spread(db, self._key, root, elements)
        db.save(self._key, root)

    def _expect(self, added: Sequence[bytes]) -> None:
        """The encoding grows before anything is added, even if the list does not (LSET)."""
        root = self.root
        if root.encoding != LISTPACK:
            return
        limits, elements = self._db.limits, self._elements
        count, text_bytes = len(elements) + len(added), sum(map(len, added))
        # No listpack is larger than this, and hardly one comes near the limit.
        most = EMPTY_BYTES + len(root.body) + ELEMENT_OVERHEAD_MAX * len(elements)
        if outgrows(limits, most + text_bytes, count) and outgrows(
            limits, listpack_bytes(elements) + text_bytes, count
        ):
            root.encoding = QUICKLIST

    def _shrink(self) -> None:
        elements = self._elements
        if is_small_again(self._db.limits, len(elements), lambda: listpack_bytes(elements)):
            self.root.encoding = LISTPACK


def pack_or_spread(db: Database, key: bytes, root: Root, elements: Sequence[bytes]) -> None:
    """Make `elements` the body of `root`, or spread them."""
    limits = db.limits
    if len(elements) <= limits.packed_max_entries:
        root.body = encode_elements(elements)
        if len(root.body) <= limits.packed_max_bytes:
            return
    spread_list(db, key, root, elements)
