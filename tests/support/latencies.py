"""What many waiting times come to (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class Latency(msgspec.Struct, frozen=True, array_like=True):
    """One answer: when it came, by the monotonic clock, to which kind of question, and how late."""

    at_ns: int
    kind: str
    nanoseconds: int


def of_kind(latencies: Iterable[Latency], kind: str) -> list[int]:
    """The waiting times of one kind, in nanoseconds."""
    return [each.nanoseconds for each in latencies if each.kind == kind]


def as_if_steady(nanoseconds: Iterable[int], pause_ns: int) -> list[int]:
    """The waiting times of someone who asks every `pause_ns`, whether he was answered or not.

    Who waits for the answer before he asks again meets a pause of a second once, where others
    would have met it hundreds of times: those are added, each shorter by one pause.
    """
    found: list[int] = []
    for each in nanoseconds:
        found.append(each)
        found += range(each - pause_ns, pause_ns, -pause_ns)
    return found


def percentile_ms(nanoseconds: Sequence[int], percent: float) -> float:
    """The value that `percent` of them do not exceed, in milliseconds; 0.0 if there is none."""
    if not nanoseconds:
        return 0.0
    place = min(len(nanoseconds) - 1, int(len(nanoseconds) * percent / 100))
    return sorted(nanoseconds)[place] / 1e6
