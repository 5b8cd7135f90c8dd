"""The value of `notify-keyspace-events`: which events are told, and where (pure).

Letters, spelling and errors are those of Redis 7.2. That shows `A` without the `n` that may stand
beside it, and forgets it when it rewrites its file; here it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# `A` stands for these, in Redis' order. `d` is for modules, of which there are none.
ALL_CLASSES: Final = "g$lshzxetd"
# Keys that are new; to channels named after the key, or after the event; reads that find nothing.
_OTHERS: Final = "nKEm"


@dataclass(frozen=True)
class EventClasses:
    """A word of letters; the value has each of them once, with `A` spelled out."""

    def parse(self, words: Sequence[str]) -> str:
        if len(words) != 1:
            raise ValueError("wrong number of arguments")
        given = words[0].replace("A", ALL_CLASSES)
        if not set(given) <= set(ALL_CLASSES + _OTHERS):
            raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return "".join(letter for letter in ALL_CLASSES + _OTHERS if letter in given)

    def render(self, value: Any) -> str:
        return str(value).replace(ALL_CLASSES, "A")

    def describe(self) -> str:
        return f"letters of `A{ALL_CLASSES}{_OTHERS}`, or nothing"
