"""Samples of an event as a graph of characters (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kiwi_engine.server.network.latency.monitor import Sample

_ROWS: Final = 4
# From the lowest to the highest part of a row.
_LEVELS: Final = "_o#"
_RULE: Final = "-" * 80
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def draw(event: str, samples: Sequence[Sample], worst_ms: int, now_s: int) -> str:
    """A column a sample; under it, from top to bottom, how long ago that was."""
    values = [sample.milliseconds for sample in samples]
    low, high = min(values), max(values)
    header = f"{event} - high {high} ms, low {low} ms (all time high {worst_ms} ms)"
    ages = [_age(now_s - sample.second) for sample in samples]
    deepest = max(map(len, ages))
    steps = [_step(value, low, high) for value in values]
    columns = ["".join(_cell(step, row) for step in steps) for row in reversed(range(_ROWS))]
    below = ["".join(age[place : place + 1] or " " for age in ages) for place in range(deepest)]
    lines = [header, _RULE, *columns, "", *below]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _step(value: int, low: int, high: int) -> int:
    """The height of a value, counted in parts of rows."""
    top = _ROWS * len(_LEVELS) - 1
    return top if high == low else (value - low) * top // (high - low)


def _cell(step: int, row: int) -> str:
    part = step - row * len(_LEVELS)
    if part < 0:
        return " "
    return _LEVELS[part] if part < len(_LEVELS) else "|"


def _age(seconds: int) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return "0s"
