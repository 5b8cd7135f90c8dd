"""The `channel` section of INFO of several network processes as one (pure).

Each has a channel of its own to the storage runtime. Amounts and counts are added up, also peaks,
which may be of different moments, and milliseconds of backpressure, in which the processes may have
waited at the same time. Times are those of all runs together. Connected are all or none, and of the
circuit breakers that one tells which is the worst off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kiwi_engine.channel.circuit_breaker import BreakerState
from kiwi_engine.channel.statistics import time_fields
from kiwi_engine.histogram import Histogram

# From the best to the worst.
_STATES: Final = tuple(
    state.value for state in (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)
)
_Part = tuple[Mapping[str, Any], Mapping[str, list[int]]]


def channel_totals(parts: Sequence[_Part]) -> dict[str, Any]:
    """Of each part its facts, and by name the counts of its `Histogram`s."""
    facts = [part for part, _ in parts]
    if len(parts) == 1:
        return dict(facts[0])
    worst = max(facts, key=lambda each: _STATES.index(each["breaker_state"]))
    chosen = {
        "connected": min(each["connected"] for each in facts),
        "breaker_state": worst["breaker_state"],
        "breaker_reason": worst["breaker_reason"],
    }
    for name in parts[0][1]:
        chosen |= time_fields(name, Histogram.of([times[name] for _, times in parts]))
    return {
        name: chosen[name] if name in chosen else sum(each[name] for each in facts)
        for name in facts[0]
    }
