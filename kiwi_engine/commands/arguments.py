"""Reading the arguments of commands, and the errors that many of them share (pure).

The texts are those of Redis 7.2, byte for byte.
"""

from __future__ import annotations

from typing import Final, NoReturn

from kiwi_engine.errors import ReplyError

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1
# Digits and sign of the longest 64-bit number.
INTEGER_TEXT_MAX: Final = 20

NOT_AN_INTEGER: Final = "ERR value is not an integer or out of range"
SYNTAX: Final = "ERR syntax error"
NO_SUCH_KEY: Final = "ERR no such key"
SAME_OBJECT: Final = "ERR source and destination objects are the same"


def to_integer(text: bytes) -> int | None:
    """A 64-bit integer in its one canonical spelling (`string2ll` in Redis), or None."""
    if len(text) < 19 and text.isdigit() and text[0] != 0x30:
        return int(text)  # the usual case of INCR, in half the time of the general one
    try:
        number = int(text) if len(text) <= INTEGER_TEXT_MAX else None
    except ValueError:
        return None
    # int() also takes blanks, signs, zeros in front and underscores; Redis does not.
    if number is None or b"%d" % number != text or not INTEGER_MIN <= number <= INTEGER_MAX:
        return None
    return number


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


def check_value_bytes(size: int, limit: int) -> None:
    """Refuse to build a value larger than proto-max-bulk-len."""
    if size > limit:
        raise ReplyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
