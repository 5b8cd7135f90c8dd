"""A bounded read cache of what the index holds (pure).

Two generations instead of a list of uses: a hit costs one or two dict look-ups and no bookkeeping
unless the entry has to move up. When the young generation is full it becomes the old one and the
former old one is dropped, in slices, because freeing a large dict at once would stall the commits
of that moment. An entry that was used since the last change of generations always survives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kiwi_engine.vlog.separated import HEAD_BYTES, Separated

CachedEntry = bytes | Separated

# What CPython spends on a key, a value and their slots beyond their bytes (64-bit, measured).
ENTRY_OVERHEAD_BYTES: Final = 170
_DISCARD_SLICE: Final = 2000
# Or this part of what is left, so that it cannot pile up however fast more is dropped.
_DISCARD_SHARE: Final = 32
# A young generation this many times smaller than what is added is copied over instead.
_COPIED_SHARE: Final = 8


def entry_bytes(key: bytes, entry: CachedEntry) -> int:
    """The memory that one cached entry takes, nearly."""
    size = len(entry) if isinstance(entry, bytes) else 2 * HEAD_BYTES + 64
    return len(key) + size + ENTRY_OVERHEAD_BYTES


def entries_bytes(entries: dict[bytes, CachedEntry]) -> int:
    """The sum of `entry_bytes`, without a call for each inline value."""
    total = sum(map(len, entries)) + len(entries) * ENTRY_OVERHEAD_BYTES
    for entry in entries.values():
        total += len(entry) if type(entry) is bytes else 2 * HEAD_BYTES + 64
    return total


class CleanCache:
    """Maps keys to entries of the index; never holds an absent key."""

    __slots__ = (
        *("_bytes", "_bytes_max", "_discarded", "_old", "_old_bytes", "_young"),
        *("hits", "misses"),
    )

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._young: dict[bytes, CachedEntry] = {}
        self._old: dict[bytes, CachedEntry] = {}
        self._discarded: list[dict[bytes, CachedEntry]] = []
        self._bytes = 0
        # Those of the old generation when it turned old: it only gets smaller.
        self._old_bytes = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: bytes) -> CachedEntry | None:
        """The entry, or None where the cache does not know."""
        entry = self._young.get(key)
        if entry is None:
            entry = self._old.pop(key, None)
            if entry is None:
                self.misses += 1
                return None
            self.add(key, entry)
        self.hits += 1
        return entry

    def peek(self, key: bytes) -> CachedEntry | None:
        """Like `get`, but changes nothing: safe for another thread than the owner."""
        entry = self._young.get(key)
        return entry if entry is not None else self._old.get(key)

    def peek_many(self, keys: Sequence[bytes]) -> dict[bytes, CachedEntry | None]:
        """`peek` for each of `keys`; it is what drains spend their time on."""
        old = self._old.get
        found = dict(zip(keys, map(self._young.get, keys), strict=True))
        for key, entry in found.items():
            if entry is None:
                found[key] = old(key)
        return found

    def add(self, key: bytes, entry: CachedEntry) -> None:
        """Remember one entry."""
        self._young[key] = entry
        self._bytes += entry_bytes(key, entry)
        self._turn_if_full()

    def add_many(self, entries: dict[bytes, CachedEntry], bytes_added: int) -> None:
        """Remember many at once; `bytes_added` is the sum of their `entry_bytes`.

        `entries` belongs to the cache from now on: a large one becomes the young generation
        itself, because copying it would hold up the commits of that moment.
        """
        young = self._young
        if len(young) * _COPIED_SHARE <= len(entries):
            for key, entry in young.items():
                entries.setdefault(key, entry)
            self._young = entries
        else:
            young.update(entries)
        self._bytes += bytes_added
        self._turn_if_full()

    def remove(self, key: bytes) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)

    def remove_range(self, begin: bytes, end: bytes) -> None:
        """Forget all keys in [begin, end); walks the whole cache."""
        for generation in (self._young, self._old):
            for key in [key for key in generation if begin <= key < end]:
                del generation[key]

    def clear(self) -> None:
        self._discarded += [self._young, self._old]
        self._young, self._old, self._bytes, self._old_bytes = {}, {}, 0, 0

    def discard_slice(self) -> bool:
        """Free a slice of what was dropped; True while more is left. Call it when idle."""
        if not self._discarded:
            return False
        left = max(_DISCARD_SLICE, sum(map(len, self._discarded)) // _DISCARD_SHARE)
        while left and self._discarded:
            generation = self._discarded[-1]
            count = min(left, len(generation))
            for _ in range(count):
                generation.popitem()
            left -= count
            if not generation:
                self._discarded.pop()
        return bool(self._discarded)

    def facts(self) -> dict[str, int]:
        return {
            "clean_cache_bytes": self._bytes + self._old_bytes,
            "clean_cache_keys": len(self._young) + len(self._old),
            "clean_cache_hits": self.hits,
            "clean_cache_misses": self.misses,
        }

    def _turn_if_full(self) -> None:
        """`_bytes` counts the young generation alone, so both together stay within the bound."""
        if self._bytes > self._bytes_max // 2:
            if self._old:
                self._discarded.append(self._old)
            self._old, self._old_bytes = self._young, self._bytes
            self._young, self._bytes = {}, 0
