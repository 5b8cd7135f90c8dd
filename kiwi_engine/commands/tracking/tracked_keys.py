"""Which connections may have cached which keys (pure).

A key is remembered by its name alone, whatever database it was read in: as in Redis, a change in
one database also invalidates what was read in another. Who has read a key is told of its next
change, and forgotten with it: to hear of more, one has to read it again. So a connection is never
told twice of what it did not read in between.

The table is bounded by `keys_max`; the key that has been in it for the longest has to go first, and
whoever has read it is told as if it had changed. Connections that are gone are taken out bit by
bit, by `sweep`, because one of them may have read millions of keys. Source: the section on
server-assisted client-side caching of Redis' documentation, and its tracking.c for the details.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

KEYS_MAX: Final = 1_000_000
# One connection, which is how it mostly is, or several of them: a set takes ten times the memory.
_Readers = int | set[int]


class TrackedKeys:
    """Only the executing thread touches it. Connections are told apart by their numbers.

    `keys_max` bounds the keys (0: it does not), `item_count` is how many pairs of a key and a
    connection there are.
    """

    def __init__(self) -> None:
        self.keys_max = KEYS_MAX
        self.item_count = 0
        # In the order in which the keys came in, but for those that `sweep` has looked at.
        self._readers: OrderedDict[bytes, _Readers] = OrderedDict()
        # All connections that may be in it.
        self._known: set[int] = set()
        # Gone: those that the sweep under way takes out, how many keys it has left to look at, and
        # those that went since it began.
        self._sweeping: set[int] = set()
        self._left = 0
        self._gone: set[int] = set()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._readers)

    def sources(self) -> list[int]:
        """The connections that have read keys and have not ended."""
        return list(self._known)

    def remember(self, source: int, keys: Iterable[bytes]) -> None:
        """`source` has read `keys`. `excess` is to be called next."""
        readers = self._readers
        self._known.add(source)
        for key in keys:
            found = readers.get(key)
            if found is None:
                readers[key] = source
            elif isinstance(found, set):
                if source in found:
                    continue
                found.add(source)
            elif found != source:
                readers[key] = {found, source}
            else:
                continue
            self.item_count += 1

    def excess(self) -> Iterator[tuple[bytes, list[int]]]:
        """Forget keys until they are no more than allowed; each with who has read it."""
        while 0 < self.keys_max < len(self._readers):
            key, found = self._readers.popitem(last=False)
            yield key, self._forgotten(found)

    def touched(self, key: bytes) -> list[int]:
        """`key` has changed: who has read it, which is forgotten."""
        found = self._readers.pop(key, None)
        return [] if found is None else self._forgotten(found)

    def flushed(self) -> None:
        """Forget everything."""
        self._readers.clear()
        self._known.clear()
        self._sweeping.clear()
        self._gone.clear()
        self.item_count = self._left = 0

    def forget(self, source: int) -> None:
        """A connection has ended, and its number will not be used again."""
        if source in self._known:
            self._known.remove(source)
            self._gone.add(source)

    def sweep(self, limit: int) -> None:
        """Take out connections that are gone; looks at up to `limit` keys."""
        if not self._left:
            if not self._gone:
                return
            self._sweeping, self._gone = self._gone, set()
            self._left = len(self._readers)
        count = min(limit, self._left, len(self._readers))
        for _ in range(count):
            key, found = self._readers.popitem(last=False)
            kept = self._living(found)
            if kept is not None:
                # To the end, so that the next key is at the front.
                self._readers[key] = kept
        # Keys that were forgotten meanwhile are not looked at: no need, and no harm in ending late.
        self._left = min(self._left - count, len(self._readers))
        if not self._left:
            self._sweeping.clear()

    def _living(self, found: _Readers) -> _Readers | None:
        """`found` without those that are being swept out."""
        if isinstance(found, int):
            if found not in self._sweeping:
                return found
            self.item_count -= 1
            return None
        before = len(found)
        found -= self._sweeping
        self.item_count -= before - len(found)
        return found or None

    def _forgotten(self, found: _Readers) -> list[int]:
        """The readers of a key that was taken out, in the order of their numbers."""
        listed = sorted(found) if isinstance(found, set) else [found]
        self.item_count -= len(listed)
        return listed
