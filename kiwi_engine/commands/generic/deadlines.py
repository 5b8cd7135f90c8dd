"""From the times that clients write to deadlines, with Redis' rules for overflow (pure).

Each option or command that takes a time is one of four units: seconds or milliseconds, counted from
now or from the Unix epoch.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, invalid_expire_time
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX, INTEGER_MIN


class Unit(NamedTuple):
    """What a written time counts."""

    is_seconds: bool
    is_absolute: bool


SECONDS: Final = Unit(is_seconds=True, is_absolute=False)
MILLISECONDS: Final = Unit(is_seconds=False, is_absolute=False)
UNIX_SECONDS: Final = Unit(is_seconds=True, is_absolute=True)
UNIX_MILLISECONDS: Final = Unit(is_seconds=False, is_absolute=True)


def positive_deadline(text: bytes, unit: Unit, now_ms: int, command: str) -> int:
    """The deadline that SET, GETEX and their like ask for: the time must be positive."""
    time = integer(text)
    if time <= 0:
        invalid_expire_time(command)
    deadline_ms = _deadline(time, unit, now_ms)
    return invalid_expire_time(command) if deadline_ms is None else deadline_ms


def any_deadline(text: bytes, unit: Unit, now_ms: int, command: str) -> int:
    """The deadline that EXPIRE and its like ask for, which may lie in the past or below 0."""
    deadline_ms = _deadline(integer(text), unit, now_ms)
    return invalid_expire_time(command) if deadline_ms is None else deadline_ms


def _deadline(time: int, unit: Unit, now_ms: int) -> int | None:
    """None where the deadline, or a step on the way to it, does not fit 64 bits."""
    milliseconds = time * 1000 if unit.is_seconds else time
    deadline_ms = milliseconds if unit.is_absolute else milliseconds + now_ms
    fits = milliseconds >= INTEGER_MIN and max(milliseconds, deadline_ms) <= INTEGER_MAX
    return deadline_ms if fits else None
