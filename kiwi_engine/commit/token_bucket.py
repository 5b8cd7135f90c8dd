"""So many bytes a second, without bursts and without debts that nobody would live to pay (pure).

    refill(now) ... wait_s(rate) > 0: later; else spend(bytes), however many they are

Who spends does so after the fact, so the bucket may fall below empty; then all wait until it is
full to the brim of zero again.
"""

from __future__ import annotations

from typing import Final

# What may be spent at once after a pause: a few turns of a loop that waits ten milliseconds.
_BURST_S: Final = 0.05
# One enormous write does not make everybody else wait for longer than this.
_DEBT_MAX_S: Final = 5.0


class TokenBucket:
    """Times are nanoseconds of one clock, given by the caller."""

    __slots__ = ("_filled_ns", "_tokens")

    def __init__(self) -> None:
        self._tokens = 0.0
        self._filled_ns = 0

    def reset(self, now_ns: int) -> None:
        """Begin anew, without tokens and without debts."""
        self._tokens = 0.0
        self._filled_ns = now_ns

    def refill(self, rate: float, now_ns: int) -> None:
        """Add what `rate` bytes a second have brought since the last call."""
        gained = rate * (now_ns - self._filled_ns) / 1e9
        self._filled_ns = now_ns
        self._tokens = min(max(self._tokens, -rate * _DEBT_MAX_S) + gained, rate * _BURST_S)

    def spend(self, size: int) -> None:
        """Take `size` bytes out."""
        self._tokens -= size

    def wait_s(self, rate: float, open_bytes: int) -> float:
        """Seconds until something may be spent; 0.0: now. `open_bytes` are as good as spent."""
        tokens = self._tokens - open_bytes
        return 0.0 if tokens >= 0 else -tokens / rate
