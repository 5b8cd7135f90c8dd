"""How long a read waits before it is asked again (pure; the randomness is passed in)."""

from __future__ import annotations

from random import Random
from typing import Final

_PAUSE_NS_MAX: Final = 2_000_000_000


class RetryPolicy:
    """For reads that were under way when a storage runtime died, once or several times."""

    __slots__ = ("_backoff_ns", "_random", "_retries_max")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._backoff_ns = 0
        self._retries_max = 0

    def configure(self, backoff_ns: int, retries_max: int) -> None:
        """Take over the first pause, and how often a read is asked again."""
        self._backoff_ns = backoff_ns
        self._retries_max = retries_max

    def may_retry(self, deaths: int) -> bool:
        """Whether a read is asked again that was under way at so many deaths."""
        return deaths <= self._retries_max

    def pause_ns(self, deaths: int) -> int:
        """The pause doubles with each death; the second half of it is random.

        So reads that were under way together come back one after the other, and if one of them is
        what the storage runtime dies of, most of the others have been answered before.
        """
        # More doublings than that exceed the maximum in any case.
        pause_ns = min(self._backoff_ns << min(deaths - 1, 40), _PAUSE_NS_MAX)
        half_ns = pause_ns // 2
        return pause_ns - self._random.randint(0, half_ns)
