"""How often, and after which pause, a runtime that died is started again (pure)."""

from __future__ import annotations

from collections import deque
from typing import Final

PAUSE_FIRST_S: Final = 0.05
PAUSE_MAX_S: Final = 5.0
# Whoever lived this long does not count as dying in a row.
STEADY_NS: Final = 1_000_000_000


class Backoff:
    """The first restart is made at once; the pause before it doubles with each death in a row."""

    def __init__(self) -> None:
        self._pause_s = 0.0

    def died(self, lived_ns: int) -> None:
        """One that had become ready lived for so long."""
        if lived_ns > STEADY_NS:
            self._pause_s = 0.0

    def next_pause_s(self) -> float:
        """How long to wait before the next start."""
        pause_s = self._pause_s
        self._pause_s = min(max(pause_s * 2, PAUSE_FIRST_S), PAUSE_MAX_S)
        return pause_s


class RestartBudget:
    """At most `limit` restarts in any `window_ns`; both may change."""

    def __init__(self) -> None:
        self._spent_ns: deque[int] = deque()

    def spend(self, now_ns: int, limit: int, window_ns: int) -> bool:
        """Take one restart; False, and none is taken, if there is none left."""
        if not self.left(now_ns, limit, window_ns):
            return False
        self._spent_ns.append(now_ns)
        return True

    def left(self, now_ns: int, limit: int, window_ns: int) -> int:
        """How many could be made now."""
        while self._spent_ns and now_ns - self._spent_ns[0] >= window_ns:
            self._spent_ns.popleft()
        return max(0, limit - len(self._spent_ns))
