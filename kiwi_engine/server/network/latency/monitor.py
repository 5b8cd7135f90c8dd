"""Spikes by the kind of event that took long (pure).

Seconds are Unix times, latencies milliseconds. As in Redis there is one sample a second and event,
the worst of that second, and the last 160 are kept.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

SAMPLES_MAX: Final = 160


class Sample(NamedTuple):
    """The worst of one second."""

    second: int
    milliseconds: int


class LatencyMonitor:
    """`threshold_ms`: what takes as long is a spike; 0: nothing is."""

    def __init__(self, threshold_ms: int) -> None:
        self.threshold_ms = threshold_ms
        self._samples: dict[str, deque[Sample]] = {}
        self._worst_ms: dict[str, int] = {}

    def is_spike(self, milliseconds: int) -> bool:
        """Whether something that took so long is remembered."""
        return 0 < self.threshold_ms <= milliseconds

    def add(self, event: str, milliseconds: int, second: int) -> None:
        """Something took a while."""
        if not self.is_spike(milliseconds):
            return
        samples = self._samples.setdefault(event, deque(maxlen=SAMPLES_MAX))
        if samples and samples[-1].second == second:
            milliseconds = max(milliseconds, samples.pop().milliseconds)
        samples.append(Sample(second, milliseconds))
        self._worst_ms[event] = max(milliseconds, self._worst_ms.get(event, 0))

    def events(self) -> list[str]:
        """The events that had spikes, in alphabetical order."""
        return sorted(self._samples)

    def samples(self, event: str) -> list[Sample]:
        """The samples of an event, the oldest first."""
        return list(self._samples.get(event, ()))

    def worst_ms(self, event: str) -> int:
        """The worst spike since the last reset."""
        return self._worst_ms.get(event, 0)

    def reset(self, events: list[str]) -> int:
        """Forget some events, or all; how many there were."""
        known = [event for event in events or list(self._samples) if event in self._samples]
        for event in set(known):
            del self._samples[event], self._worst_ms[event]
        return len(set(known))
