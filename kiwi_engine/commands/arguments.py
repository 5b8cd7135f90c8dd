"""Reading the arguments of commands, and the errors that many of them share (pure).

The texts are those of Redis 7.2, byte for byte.
"""

from __future__ import annotations

from typing import Final, NoReturn

from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import to_integer

PICKS_MAX: Final = 10_000_000
INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1

NOT_AN_INTEGER: Final = "ERR value is not an integer or out of range"
SYNTAX: Final = "ERR syntax error"
NO_SUCH_KEY: Final = "ERR no such key"
SAME_OBJECT: Final = "ERR source and destination objects are the same"


def integer(text: bytes, message: str = NOT_AN_INTEGER) -> int:
    """A 64-bit integer, or the error `message`."""
    number = to_integer(text)
    if number is None:
        raise ReplyError(message)
    return number


def integer_between(text: bytes, low: int, high: int, message: str = "") -> int:
    """An integer in [low, high]; other numbers get `message`, or one that states the range."""
    number = integer(text, message or NOT_AN_INTEGER)
    if not low <= number <= high:
        raise ReplyError(
            message or f"ERR value is out of range, value must between {low} and {high}"
        )
    return number


def syntax_error() -> NoReturn:
    """The arguments do not fit the command's grammar."""
    raise ReplyError(SYNTAX)


def invalid_expire_time(command: str) -> NoReturn:
    """A deadline is not positive or does not fit 64 bits."""
    raise ReplyError(f"ERR invalid expire time in '{command}' command")


def check_picks(count: int) -> None:
    """Refuse more random picks than a reply could hold.

    Redis has no bound, and builds the reply until a limit of the client's output ends it.
    """
    if count > PICKS_MAX:
        raise ReplyError("ERR value is out of range")


def check_value_bytes(size: int, limit: int) -> None:
    """Refuse to build a value larger than proto-max-bulk-len."""
    if size > limit:
        raise ReplyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
