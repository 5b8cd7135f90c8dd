"""When keys were last used, as far as a bounded memory can tell (pure).

Nothing of it is stored. What was used in the last second is a set of keys, because that costs 40 ns
a use; then only the hash of each is kept with the time, in two generations: when the younger one is
full, the older one is forgotten. So it knows every key that was used since some time, and of the
others it knows that they were not. Two keys with one hash of 64 bits count as one.
"""

from __future__ import annotations

from typing import Final

# The keys used in so many milliseconds, or so many keys, get the same time.
STEP_MS: Final = 1000
RECENT_MAX: Final = 20_000
# Keys in one generation; about 100 bytes each.
GENERATION_KEYS: Final = 50_000


class AccessTimes:
    """Only the executing thread touches it. Keys are those of the store, times in milliseconds."""

    __slots__ = (
        "_generation_ms", "_known_since_ms", "_older", "_recent", "_recent_ms", "_younger", "touch",
    )  # fmt: skip

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._recent_ms = 0
        self._younger: dict[int, int] = {}
        self._older: dict[int, int] = {}
        # Since when the younger generation, and since when both together, know every use.
        self._generation_ms = self._known_since_ms = 0
        # To be called with each key that is used, in the time last told to `advance`.
        self.touch = self._recent.add

    def advance(self, now_ms: int) -> None:
        """It is `now_ms`; to be called before keys are used."""
        recent = self._recent
        if 0 <= now_ms - self._recent_ms < STEP_MS and len(recent) < RECENT_MAX:
            return
        if not self._known_since_ms:
            self._known_since_ms = self._generation_ms = now_ms
        if recent:
            self._younger.update(dict.fromkeys(map(hash, recent), self._recent_ms))
            recent.clear()
        self._recent_ms = now_ms
        if len(self._younger) >= GENERATION_KEYS:
            self._older, self._younger = self._younger, {}
            self._known_since_ms, self._generation_ms = self._generation_ms, now_ms

    def last_ms(self, key: bytes) -> int:
        """When `key` was used last; if that is not known, since when it was not."""
        if key in self._recent:
            return self._recent_ms
        number = hash(key)
        return self._younger.get(number, self._older.get(number, self._known_since_ms))

    def pretend(self, key: bytes, used_ms: int) -> None:
        """Let `key`, which there is anew, have been used at `used_ms` for the last time."""
        self._recent.discard(key)
        self._younger[hash(key)] = used_ms
