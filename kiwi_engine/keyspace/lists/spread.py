"""Lists whose elements are entries of their own (pure). Specified in formats/keys.md.

    element  "l" | version u64 | position u64   ->  the element
    body of the root                                head position u64 | listpack bytes u64

Positions are dense: the element with index i lies at the head's position + i, so that every index
is one look-up and both ends are known without looking. A list begins in the middle of the numbers
and has room for 2**63 pushes at either end. Nothing at an end walks over entries: beside those of a
busy queue lies all that was popped from it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from kiwi_engine.engine.store_protocol import HEAD_BYTES
from kiwi_engine.errors import CorruptionError
from kiwi_engine.keyspace.database import Database
from kiwi_engine.keyspace.lists.encoding import (
    element_bytes,
    is_small_again,
    listpack_bytes,
    outgrows,
)
from kiwi_engine.keyspace.spread.roots import LISTPACK, QUICKLIST, Root
from kiwi_engine.keyspace.spread.versions import ELEMENTS

FIRST_POSITION: Final = 2**63
# So many neighbours and more are read with one walk, fewer one by one.
WALKED_MIN: Final = 32
# So many are read at a time while others are written.
REWRITTEN_AT_ONCE: Final = 1000
# So many and more are removed with one range deletion, and then nobody looks at them.
RANGE_ELEMENTS_MIN: Final = 2000
# In place of the size as a listpack, once elements were removed unseen. No listpack is that small.
UNKNOWN_BYTES: Final = 0

_BODY: Final = struct.Struct(">QQ")
_KEY: Final = struct.Struct(">cQQ")
_PREFIX_BYTES: Final = 9
_key: Final = _KEY.pack
# `encode_body(head, listpack_bytes)` is what the root keeps beside the count.
encode_body: Final = _BODY.pack


class SpreadList:
    """A large list: changes are written at once, but for the root, which `save` writes.

    The methods are those of `packed.PackedList`.
    """

    __slots__ = ("_db", "_has_shrunk", "_head", "_key", "_listpack_bytes", "root")

    def __init__(self, db: Database, key: bytes, root: Root) -> None:
        self._db = db
        self._key = key
        self.root = root
        self._has_shrunk = False
        self._head: int
        self._listpack_bytes: int
        self._head, self._listpack_bytes = _BODY.unpack(root.body)

    @property
    def count(self) -> int:
        return self.root.count

    def get(self, index: int) -> bytes:
        """The element at `index`."""
        return self._found(self._db.store.get(self._key_of(index)))

    def read(self, start: int, count: int) -> list[bytes]:
        """`count` elements from index `start` on."""
        if count < WALKED_MIN:
            keys = [self._key_of(index) for index in range(start, start + count)]
            self._db.store.prefetch(keys)
            return [self._found(self._db.store.get(key)) for key in keys]
        rows = self._db.store.scan(self._key_of(start), self._key_of(start + count))
        elements = [element for _, element in rows]
        if len(elements) != count:
            raise self._hole()
        return elements

    def find(self, element: bytes, length: int, *, reverse: bool = False) -> Iterator[int]:
        """The indexes of equal elements among the first or last `length` ones.

        Consume or drop it before the next change.
        """
        store, count = self._db.store, self.root.count
        start = max(0, count - length) if reverse else 0
        stop = count if reverse else min(count, length)
        rows = store.range(self._key_of(start), self._key_of(stop), reverse=reverse)
        is_short = len(element) < HEAD_BYTES
        walked = 0
        for key, head in rows:
            walked += 1
            if element.startswith(head) and (
                head == element if is_short else store.get(key) == element
            ):
                yield int.from_bytes(key[_PREFIX_BYTES:], "big") - self._head
        if walked != stop - start:
            raise self._hole()

    def push(self, elements: Sequence[bytes], *, at_head: bool) -> None:
        """Add elements at one end, one after the other."""
        root = self.root
        if root.encoding == LISTPACK:
            self._expect(elements)
        put, version = self._db.store.put, root.version
        size = 0
        if at_head:
            position = self._head
            for element in elements:
                position -= 1
                put(_key(ELEMENTS, version, position), element)
                size += element_bytes(element)
            self._head = position
        else:
            for position, element in enumerate(elements, self._head + root.count):
                put(_key(ELEMENTS, version, position), element)
                size += element_bytes(element)
        root.count += len(elements)
        self._account(size)

    def pop(self, count: int, *, at_head: bool) -> list[bytes]:
        """Take `count` elements from one end, the outermost first; there must be so many."""
        if count == 1:
            return [self._pop_one(at_head=at_head)]
        start = 0 if at_head else self.root.count - count
        popped = self.read(start, count)
        self._cut(start, count)
        self._account(-sum(map(element_bytes, popped)))
        self._has_shrunk = True
        return popped if at_head else popped[::-1]

    def _pop_one(self, *, at_head: bool) -> bytes:
        """What `pop` does with one element, in half of the time."""
        store, root = self._db.store, self.root
        root.count -= 1
        position = self._head
        if at_head:
            self._head += 1
        else:
            position += root.count
        key = _key(ELEMENTS, root.version, position)
        element = self._found(store.get(key))
        store.delete(key)
        self._account(-element_bytes(element))
        self._has_shrunk = True
        return element

    def set(self, index: int, element: bytes) -> None:
        """Replace the element at `index`."""
        self._expect((element,))
        replaced = self.get(index)
        self._db.store.put(self._key_of(index), element)
        self._account(element_bytes(element) - element_bytes(replaced))
        self._has_shrunk = True

    def insert(self, index: int, element: bytes) -> None:
        """Put an element in front of the one at `index`, or at the end.

        All elements on the nearer side move by one position.
        """
        self._expect((element,))
        count = self.root.count
        if index <= count // 2:
            self._rewrite(range(index), -1)
            self._head -= 1
        else:
            self._rewrite(range(count - 1, index - 1, -1), count)
        self._db.store.put(self._key_of(index), element)
        self.root.count += 1
        self._account(element_bytes(element))

    def remove(self, element: bytes, limit: int, *, reverse: bool) -> int:
        """Remove up to `limit` equal elements, the first or the last ones; how many it were.

        The others move together from the side where fewer have to.
        """
        first = last = -1
        removed = 0
        for index in islice(self.find(element, self.count, reverse=reverse), limit):
            first, last = (index if removed == 0 else first), index
            removed += 1
        if not removed:
            return 0
        low, high = min(first, last), max(first, last)
        count = self.root.count
        if high < count - 1 - low:
            self._rewrite(range(high, -1, -1), high, element, removed)
            self._cut(0, removed)
        else:
            self._rewrite(range(low, count), low, element, removed)
            self._cut(count - removed, removed)
        self._account(-removed * element_bytes(element))
        self._has_shrunk = True
        return removed

    def trim(self, start: int, stop: int) -> None:
        """Keep only the elements from index `start` up to `stop`, which is not one of them."""
        self._drop(stop, self.root.count - stop)
        self._drop(0, start)
        self._has_shrunk = True

    def save(self) -> None:
        """Write the root; without elements the key goes."""
        root = self.root
        if root.count:
            if self._has_shrunk and root.encoding == QUICKLIST:
                self._shrink()
            root.body = encode_body(self._head, self._listpack_bytes)
            self._db.save(self._key, root)
        else:
            self._db.drop(self._key, root)

    # Entries

    def _key_of(self, index: int) -> bytes:
        return _key(ELEMENTS, self.root.version, self._head + index)

    def _found(self, element: bytes | None) -> bytes:
        if element is None:
            raise self._hole()
        return element

    def _hole(self) -> CorruptionError:
        reason = f"the list of version {self.root.version} has a hole"
        return CorruptionError("index", 0, reason)

    def _cut(self, start: int, count: int) -> None:
        """Remove `count` elements from one end of the list, of which `start` is the first.

        All of many are left to the reclaimer, which comes when the root is gone.
        """
        if self.root.count == count >= WALKED_MIN:
            pass
        elif count >= RANGE_ELEMENTS_MIN:
            self._db.store.delete_range(self._key_of(start), self._key_of(start + count))
        else:
            for index in range(start, start + count):
                self._db.store.delete(self._key_of(index))
        if start == 0:
            self._head += count
        self.root.count -= count

    def _drop(self, start: int, count: int) -> None:
        """Remove elements from one end of which nobody wants to know more than their size."""
        if count >= RANGE_ELEMENTS_MIN:
            self._listpack_bytes = UNKNOWN_BYTES
        elif count:
            self._account(-sum(map(element_bytes, self.read(start, count))))
        self._cut(start, count)

    def _rewrite(
        self, indexes: range, target: int, without: bytes | None = None, left_out: int = 0
    ) -> None:
        """Write the elements at `indexes` again, one beside the other from `target` on.

        The first `left_out` that equal `without` are not. `target` lies just behind `indexes`, or
        they begin with one that is left out: so nothing is written to an index that was not read.
        """
        put = self._db.store.put
        for element in self._each(indexes):
            if left_out and element == without:
                left_out -= 1
                continue
            put(self._key_of(target), element)
            target += indexes.step

    def _each(self, indexes: range) -> Iterator[bytes]:
        """The elements at `indexes`, while those behind are written."""
        for start in range(0, len(indexes), REWRITTEN_AT_ONCE):
            part = indexes[start : start + REWRITTEN_AT_ONCE]
            elements = self.read(min(part), len(part))
            yield from elements[:: part.step]

    # The size that the list would have as a listpack

    def _account(self, difference: int) -> None:
        if self._listpack_bytes != UNKNOWN_BYTES:
            self._listpack_bytes += difference

    def _measure(self) -> int:
        if self._listpack_bytes == UNKNOWN_BYTES:
            rows = self._db.store.scan(self._key_of(0), self._key_of(self.root.count))
            self._listpack_bytes = listpack_bytes(element for _, element in rows)
        return self._listpack_bytes

    def _expect(self, added: Sequence[bytes]) -> None:
        """As that of `PackedList`."""
        root = self.root
        if root.encoding == LISTPACK:
            size, count = self._measure() + sum(map(len, added)), root.count + len(added)
            if outgrows(self._db.limits, size, count):
                root.encoding = QUICKLIST

    def _shrink(self) -> None:
        if is_small_again(self._db.limits, self.root.count, self._measure):
            self.root.encoding = LISTPACK


def spread_list(db: Database, key: bytes, root: Root, elements: Sequence[bytes]) -> None:
    """Write `elements` below a new version of `root`."""
    db.spread(key, root)
    put, version = db.store.put, root.version
    for position, element in enumerate(elements, FIRST_POSITION):
        put(_key(ELEMENTS, version, position), element)
    root.count = len(elements)
    root.body = encode_body(FIRST_POSITION, listpack_bytes(elements))
