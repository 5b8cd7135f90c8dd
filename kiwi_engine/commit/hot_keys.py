"""Which keys are written most, and how often one may be written (pure).

`HotKeys` is the Space-Saving sketch (Metwally, Agrawal, El Abbadi: Efficient computation of
frequent and top-k elements in data streams, 2005): as many counters as fit, the smallest given to
whatever is new. A key that has more than 1 / capacity of all weight is certainly in it; its count
is never too small, and too large by no more than `error`. `WriteWindow` counts exactly.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# A key of a numbered database.
DatabaseKey = tuple[int, bytes]

CAPACITY: Final = 64
# Longer keys are not tracked: the sketch would hold on to their bytes.
KEY_BYTES_MAX: Final = 1024
# Weights below this are forgotten when the others are halved.
_WEIGHT_MIN: Final = 0.5


class HotKey(NamedTuple):
    """`share` of all weight that a key has at least, 0.0 to 1.0."""

    database: int
    key: bytes
    share: float


class _Count:
    __slots__ = ("error", "hits", "weight")

    def __init__(self, weight: float, error: float) -> None:
        self.weight = weight
        self.error = error
        self.hits = 1.0


class HotKeys:
    """Weights of the heaviest keys; adding one costs a look at `capacity` counters at most."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._counts: dict[DatabaseKey, _Count] = {}
        self.total = 0.0

    def add_total(self, weight: float) -> None:
        """Writes of this weight were looked at, whatever keys they have."""
        self.total += weight

    def add(self, key: DatabaseKey, weight: float) -> None:
        """A key that was among them; once for each, so the shares of many may exceed 1."""
        if len(key[1]) > KEY_BYTES_MAX:
            return
        counts = self._counts
        count = counts.get(key)
        if count is not None:
            count.weight += weight
            count.hits += 1
        elif len(counts) < self._capacity:
            counts[key] = _Count(weight, 0.0)
        else:
            smallest = min(counts, key=lambda each: counts[each].weight)
            floor = counts.pop(smallest).weight
            counts[key] = _Count(floor + weight, floor)

    def halve(self) -> None:
        """Forget half of the past: called every few seconds, the present counts most."""
        self.total /= 2
        for key, count in list(self._counts.items()):
            count.weight /= 2
            count.error /= 2
            count.hits /= 2
            if count.weight < _WEIGHT_MIN:
                del self._counts[key]

    def top(self, count_max: int, share_min: float, hits_min: int = 1) -> list[HotKey]:
        """The keys that certainly have `share_min` of all weight, heaviest first.

        `hits_min`: as often they were seen; one look tells little where weights are large.
        """
        if not self.total:
            return []
        found = [
            HotKey(*key, (count.weight - count.error) / self.total)
            for key, count in self._counts.items()
            if count.hits >= hits_min
        ]
        hot = [each for each in found if each.share >= share_min]
        return sorted(hot, key=lambda each: (-each.share, each.key))[:count_max]


class WriteWindow:
    """Admits so many writes to a key in each second, counted exactly.

    Bounded: of a second in which more than `keys_max` keys are written, those that come last are
    not counted. A key that is written often is hardly ever among them.
    """

    def __init__(self, keys_max: int = 16_384) -> None:
        self._keys_max = keys_max
        self._second = 0
        self._counts: dict[DatabaseKey, int] = {}

    def admit(self, keys: list[DatabaseKey], limit: int, now_ms: int) -> DatabaseKey | None:
        """Count a write of all `keys`; or count nothing and return one that is over `limit`."""
        second = now_ms // 1000
        if second != self._second:
            self._second = second
            self._counts.clear()
        counts = self._counts
        for key in keys:
            if counts.get(key, 0) >= limit:
                return key
        for key in keys:
            if key in counts or len(counts) < self._keys_max:
                counts[key] = counts.get(key, 0) + 1
        return None
