"""The kinds of value that a setting may have (pure).

A kind turns the words of a setting into a value, and a value back into the text that `CONFIG GET`
shows. `parse` raises `ValueError` with the text that Redis gives to the same mistake, where Redis
has such a value. Texts and units were compared with redis-server 7.0 and its redis.conf.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

# `k` is 1000 and `kb` is 1024, as in redis.conf; upper and lower case mean the same.
SIZE_UNITS: Final[Mapping[str, int]] = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": 1024**2,
    "g": 1000**3,
    "gb": 1024**3,
}
_DURATION_UNITS_US: Final[Mapping[str, int]] = {
    "us": 1,
    "ms": 1000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
}
_NUMBER_AND_UNIT: Final = re.compile(r"(\d+)([a-z]*)", re.ASCII | re.IGNORECASE)
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_OCTAL: Final = re.compile(r"[0-7]+")
_MODE_MAX: Final = 0o777


class Kind(Protocol):
    """What a setting's value looks like in text."""

    def parse(self, words: Sequence[str]) -> Any:
        """The value that `words` stand for; `ValueError` saying what they must be."""
        ...

    def render(self, value: Any) -> str:
        """The text of `value`, as `CONFIG GET` answers and as `parse` reads it back."""
        ...

    def describe(self) -> str:
        """What the reference page says about the values: "integer, 1 to 65535"."""
        ...


@runtime_checkable
class PartialKind(Kind, Protocol):
    """A kind of value that words may state in part; the rest stays as it was."""

    def change(self, value: Any, words: Sequence[str]) -> Any:
        """`value` with what `words` state replaced; `ValueError` as `parse`."""
        ...


def _single(words: Sequence[str]) -> str:
    if len(words) != 1:
        raise ValueError("wrong number of arguments")
    return words[0]


def _check_range(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"argument must be between {low} and {high} inclusive")
    return value


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`; `unit` is for the reader only."""

    low: int
    high: int
    unit: str = ""

    def parse(self, words: Sequence[str]) -> int:
        text = _single(words)
        if not _INTEGER.fullmatch(text):
            raise ValueError("argument couldn't be parsed into an integer")
        return _check_range(int(text), self.low, self.high)

    def render(self, value: Any) -> str:
        return str(value)

    def describe(self) -> str:
        return f"integer, {self.low} to {self.high}" + (f" ({self.unit})" if self.unit else "")


@dataclass(frozen=True)
class Size:
    """A number of bytes, written with or without a unit of `SIZE_UNITS`."""

    low: int
    high: int

    def parse(self, words: Sequence[str]) -> int:
        match = _NUMBER_AND_UNIT.fullmatch(_single(words))
        factor = SIZE_UNITS.get(match[2].lower()) if match else None
        if match is None or factor is None:
            raise ValueError("argument must be a memory value")
        return _check_range(int(match[1]) * factor, self.low, self.high)

    def render(self, value: Any) -> str:
        return str(value)

    def describe(self) -> str:
        return f"size, {friendly_size(self.low)} to {friendly_size(self.high)}"


@dataclass(frozen=True)
class Duration:
    """A span of time in `unit` ("us" or "ms"), which a number without a unit is taken to be in."""

    low: int
    high: int
    unit: str

    def parse(self, words: Sequence[str]) -> int:
        match = _NUMBER_AND_UNIT.fullmatch(_single(words))
        factor = _DURATION_UNITS_US.get(match[2].lower() or self.unit) if match else None
        if match is None or factor is None:
            raise ValueError("argument must be a duration such as 200us, 50ms, 2s, 5m or 1h")
        value, rest = divmod(int(match[1]) * factor, _DURATION_UNITS_US[self.unit])
        if rest:
            raise ValueError(f"argument must be a whole number of {self.unit}")
        return _check_range(value, self.low, self.high)

    def render(self, value: Any) -> str:
        return str(value)

    def describe(self) -> str:
        return f"duration, {self.low} to {self.high} ({self.unit} unless a unit is given)"


@dataclass(frozen=True)
class Choice:
    """One of a few names; upper and lower case mean the same."""

    names: tuple[str, ...]

    def parse(self, words: Sequence[str]) -> str:
        name = _single(words).lower()
        if name not in self.names:
            raise ValueError(f"argument(s) must be one of the following: {', '.join(self.names)}")
        return name

    def render(self, value: Any) -> str:
        return str(value)

    def describe(self) -> str:
        return "one of " + ", ".join(f"`{name}`" for name in self.names)


@dataclass(frozen=True)
class YesNo:
    """`yes` or `no`, as a truth value."""

    def parse(self, words: Sequence[str]) -> bool:
        word = _single(words).lower()
        if word not in ("yes", "no"):
            raise ValueError("argument must be 'yes' or 'no'")
        return word == "yes"

    def render(self, value: Any) -> str:
        return "yes" if value else "no"

    def describe(self) -> str:
        return "`yes` or `no`"


@dataclass(frozen=True)
class Permissions:
    """Of a file, in octal digits; 0 means those that the system gives."""

    def parse(self, words: Sequence[str]) -> int:
        text = _single(words)
        if not _OCTAL.fullmatch(text):
            raise ValueError("argument couldn't be parsed as an octal number")
        mode = int(text, 8)
        if mode > _MODE_MAX:
            raise ValueError(f"argument must be between 0 and {_MODE_MAX:o} inclusive")
        return mode

    def render(self, value: Any) -> str:
        return f"{value:o}"

    def describe(self) -> str:
        return f"octal number, 0 to {_MODE_MAX:o}"


@dataclass(frozen=True)
class Text:
    """Any text; `must_be_given` refuses the empty one."""

    must_be_given: bool = False

    def parse(self, words: Sequence[str]) -> str:
        text = _single(words)
        if self.must_be_given and not text:
            raise ValueError("argument must not be empty")
        if "\0" in text:
            raise ValueError("argument must not contain a zero byte")
        return text

    def render(self, value: Any) -> str:
        return str(value)

    def describe(self) -> str:
        return "text"


@dataclass(frozen=True)
class Words:
    """One or more words, separated by blanks."""

    def parse(self, words: Sequence[str]) -> tuple[str, ...]:
        parts = tuple(part for word in words for part in word.split())
        if not parts:
            raise ValueError("argument must not be empty")
        return parts

    def render(self, value: Any) -> str:
        return " ".join(value)

    def describe(self) -> str:
        return "words, separated by blanks"


@dataclass(frozen=True)
class Percentages:
    """Numbers from 0 to 100."""

    def parse(self, words: Sequence[str]) -> tuple[float, ...]:
        parts = [part for word in words for part in word.split()]
        try:
            values = tuple(float(part) for part in parts)
        except ValueError:
            values = (-1.0,)
        if not all(0 <= value <= 100 for value in values):
            raise ValueError("The percentiles must be numbers between 0.0 and 100.0")
        return values

    def render(self, value: Any) -> str:
        return " ".join(f"{number:.10g}" for number in value)

    def describe(self) -> str:
        return "numbers from 0 to 100, separated by blanks"


def friendly_size(value: int) -> str:
    """`value` bytes in the largest unit that divides it: 524288 is "512kb"."""
    for unit in ("gb", "mb", "kb"):
        if value and value % SIZE_UNITS[unit] == 0:
            return f"{value // SIZE_UNITS[unit]}{unit}"
    return str(value)
