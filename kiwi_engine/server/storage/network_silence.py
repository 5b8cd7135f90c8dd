"""How long the storage runtime heard nothing of the network runtime (pure).

The network runtime asks at equal intervals how things are, so a longer silence means that it was
held up. Only time counts in which this side listened: `idle` is called again and again meanwhile,
and a pause between two calls is a pause of this side.

Times are nanoseconds of the monotonic clock.
"""

from __future__ import annotations

from typing import Final

_PAUSE_NS: Final = 500_000_000


class NetworkSilence:
    """`since_ns` is 0 while frames come in without a break: then there is nothing to be called."""

    __slots__ = ("_idle_ns", "peak_ns", "since_ns")

    def __init__(self) -> None:
        self.since_ns = 0
        self._idle_ns = 0
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self.peak_ns = 0

    def idle(self, now_ns: int) -> None:
        """Nothing has come."""
        if not self.since_ns or now_ns - self._idle_ns > _PAUSE_NS:
            self.since_ns = now_ns
        self._idle_ns = now_ns

    def heard(self, now_ns: int) -> int:
        """Something has come; how long it had been silent."""
        was_listening = self.since_ns and now_ns - self._idle_ns <= _PAUSE_NS
        silence_ns = now_ns - self.since_ns if was_listening else 0
        self.since_ns = 0
        self.peak_ns = max(self.peak_ns, silence_ns)
        return silence_ns
