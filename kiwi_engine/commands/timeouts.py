"""How long a command waits at most (pure). The texts are those of Redis 7.2, byte for byte."""

from __future__ import annotations

from math import ceil
from typing import Final

from kiwi_engine.commands.arguments import integer
from kiwi_engine.commands.strings.long_double import parse_long_double
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX

# So few that no sum with the time of day overflows.
_PLAIN_DIGITS: Final = 13


def parse_seconds(text: bytes, now_ms: int) -> int:
    """Seconds, also parts of one, as milliseconds rounded up; 0 is for ever."""
    if text.isdigit() and len(text) < _PLAIN_DIGITS:
        # What nearly all clients send: 0.3 us instead of 20.
        return int(text) * 1000
    number = parse_long_double(text)
    if number is None:
        raise ReplyError("ERR timeout is not a float or out of range")
    milliseconds = number.times(1000)
    if not milliseconds.is_finite:
        is_negative = text.startswith(b"-")
        raise ReplyError(f"ERR timeout is {'negative' if is_negative else 'out of range'}")
    if milliseconds.value > INTEGER_MAX:
        raise ReplyError("ERR timeout is out of range")
    return _checked(ceil(milliseconds.value), now_ms)


def parse_milliseconds(text: bytes, now_ms: int) -> int:
    """Milliseconds; 0 is for ever."""
    return _checked(integer(text, "ERR timeout is not an integer or out of range"), now_ms)


def _checked(timeout_ms: int, now_ms: int) -> int:
    if timeout_ms < 0:
        raise ReplyError("ERR timeout is negative")
    if timeout_ms > INTEGER_MAX - now_ms:
        raise ReplyError("ERR timeout is out of range")
    return timeout_ms
