"""How much output may wait for a client: `client-output-buffer-limit` (pure).

    client-output-buffer-limit normal 0 0 0 pubsub 32mb 8mb 60

Each class of clients has a hard limit, at which a client is disconnected at once, and a soft one,
above which it may stay for some seconds; 0 means none. Classes that are not named keep what they
have. Texts, units and corners are those of Redis 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kiwi_engine.config.kinds import SIZE_UNITS

_WORDS_A_CLASS: Final = 4
# `replica` is a second name; there are no replicas, but files and tools set their limit.
_FIELDS: Final = {"normal": "normal", "slave": "slave", "replica": "slave", "pubsub": "pubsub"}
_SIZE: Final = re.compile(r"(\d*)([a-z]*)", re.ASCII | re.IGNORECASE)
_SECONDS: Final = re.compile(r"(\+?\d+)?", re.ASCII)
_SIZE_MAX: Final = 2**64 - 1
_SECONDS_MAX: Final = 2**31 - 1


class OutputLimit(msgspec.Struct, frozen=True, gc=False):
    """The limits of one class, in bytes; 0: none."""

    hard: int = 0
    soft: int = 0
    soft_seconds: int = 0


class OutputLimits(msgspec.Struct, frozen=True, gc=False):
    """The limits of all classes."""

    normal: OutputLimit = OutputLimit()
    slave: OutputLimit = OutputLimit(256 * 1024**2, 64 * 1024**2, 60)
    pubsub: OutputLimit = OutputLimit(32 * 1024**2, 8 * 1024**2, 60)

    def smallest(self, ceiling: int) -> int:
        """The smallest limit of clients, or `ceiling` if that is smaller."""
        each = (self.normal.hard, self.normal.soft, self.pubsub.hard, self.pubsub.soft)
        return min(limit for limit in (*each, ceiling) if limit)


@dataclass(frozen=True)
class OutputLimitsKind:
    """The kind of the setting (`config.kinds.PartialKind`)."""

    def parse(self, words: Sequence[str]) -> OutputLimits:
        return self.change(OutputLimits(), words)

    def change(self, value: Any, words: Sequence[str]) -> OutputLimits:
        """`value` with the classes that `words` name replaced; they may come as one text."""
        parts = words[0].split(" ") if len(words) == 1 and words[0] else list(words)
        if parts == [""]:
            return _as_limits(value)
        if not parts or len(parts) % _WORDS_A_CLASS:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        changes = {}
        for at in range(0, len(parts), _WORDS_A_CLASS):
            name, *numbers = parts[at : at + _WORDS_A_CLASS]
            field = _FIELDS.get(name.lower())
            if field is None:
                raise ValueError("Invalid client class specified in buffer limit configuration.")
            changes[field] = _limit(*numbers)
        return msgspec.structs.replace(_as_limits(value), **changes)

    def render(self, value: Any, size: Callable[[int], str] = str) -> str:
        """`size` makes the text of a number of bytes."""
        limits = msgspec.structs.asdict(_as_limits(value))
        return " ".join(
            f"{name} {size(limit.hard)} {size(limit.soft)} {limit.soft_seconds}"
            for name, limit in limits.items()
        )

    def describe(self) -> str:
        return (
            "for each class (`normal`, `replica`, `pubsub`) its name, hard limit, soft limit and "
            "seconds; the limits are sizes"
        )


def _as_limits(value: Any) -> OutputLimits:
    assert isinstance(value, OutputLimits), "the schema gives the field this type"
    return value


def _limit(hard: str, soft: str, seconds: str) -> OutputLimit:
    sizes = _bytes(hard), _bytes(soft)
    # No number at all is 0, as C's strtoll reads it.
    held = int(seconds or "0") if _SECONDS.fullmatch(seconds) else -1
    if None in sizes or not 0 <= held <= _SECONDS_MAX:
        raise ValueError(
            "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        )
    return OutputLimit(sizes[0] or 0, sizes[1] or 0, held)


def _bytes(text: str) -> int | None:
    match = _SIZE.fullmatch(text)
    factor = SIZE_UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        return None
    size = int(match[1] or "0") * factor
    return size if size <= _SIZE_MAX else None
