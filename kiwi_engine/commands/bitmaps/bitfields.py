"""BITFIELD: integers of any width at any place of a string (pure).

All subcommands are read before the first one is carried out; after that none can fail.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from kiwi_engine.commands.arguments import integer, syntax_error
from kiwi_engine.commands.bitmaps.bits import check_offset
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.rows import keys, row
from kiwi_engine.errors import ReplyError
from kiwi_engine.keyspace.numerals.integers import INTEGER_MAX, to_integer
from kiwi_engine.keyspace.observation import STRING
from kiwi_engine.keyspace.strings.bits import read_bits, write_bits
from kiwi_engine.keyspace.strings.strings import String, open_or_new, open_string
from kiwi_engine.resp.reply import array
from kiwi_engine.resp.reply import integer as integer_reply

_TYPE_ERROR: Final = (
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 "
    "is."
)
_SIGNED_WIDTH_MAX: Final = 64
_UNSIGNED_WIDTH_MAX: Final = 63


class Overflow(Enum):
    """What becomes of a number that does not fit."""

    WRAP = b"wrap"
    SAT = b"sat"
    FAIL = b"fail"


class Field(NamedTuple):
    """An integer in a string: where, how many bits, and whether the first one is its sign."""

    offset: int
    width: int
    is_signed: bool

    def fit(self, number: int, overflow: Overflow) -> int | None:
        """The number as the field can hold it, None if it cannot and that is to fail."""
        low = -(1 << self.width - 1) if self.is_signed else 0
        high = low + (1 << self.width) - 1
        if low <= number <= high:
            return number
        if overflow is Overflow.FAIL:
            return None
        if overflow is Overflow.SAT:
            return low if number < low else high
        return (number - low & (1 << self.width) - 1) + low

    def takes_for_unsigned(self, number: int) -> bool:
        """Whether SET takes a negative number for the unsigned one with the same 64 bits.

        Fields without a sign do. So do others, but for the widest, with the lowest numbers of all:
        there Redis' comparison overflows (`checkSignedBitfieldOverflow` in bitops.c).
        """
        if not self.is_signed:
            return number < 0
        high = (1 << self.width - 1) - 1
        return self.width < _SIGNED_WIDTH_MAX and high - number > INTEGER_MAX

    def read(self, string: String) -> int:
        bits = read_bits(string, self.offset, self.width)
        is_negative = self.is_signed and bits >> self.width - 1
        return bits - (1 << self.width) if is_negative else bits

    def write(self, string: String, number: int) -> None:
        write_bits(string, self.offset, self.width, number & (1 << self.width) - 1)


class Step(NamedTuple):
    """One subcommand: b"get", b"set" or b"incrby" with its operand."""

    name: bytes
    field: Field
    operand: int
    overflow: Overflow


def bitfield(context: Context, arguments: list[bytes]) -> bytes:
    steps = _parse_steps(context, arguments[2:])
    written = [step.field for step in steps if step.name != b"get"]
    if not written:
        return _read_only(context, arguments[1], steps)
    size = max(field.offset + field.width + 7 >> 3 for field in written)
    string = open_or_new(context.db, arguments[1], context.now_ms)
    has_grown = string.size < size
    string = string.resized(size)
    replies, has_changed = [], False
    for step in steps:
        previous = step.field.read(string)
        number = _result(step, previous)
        if number is None:
            replies.append(context.null)
            continue
        if step.name != b"get":
            step.field.write(string, number)
            has_changed = has_changed or has_grown or number != previous
        replies.append(integer_reply(number if step.name == b"incrby" else previous))
    string.save()
    if has_changed:
        context.changed(arguments[1], STRING, b"setbit")
    return array(replies)


def bitfield_ro(context: Context, arguments: list[bytes]) -> bytes:
    steps = _parse_steps(context, arguments[2:])
    if any(step.name != b"get" for step in steps):
        raise ReplyError("ERR BITFIELD_RO only supports the GET subcommand")
    return _read_only(context, arguments[1], steps)


def _read_only(context: Context, key: bytes, steps: list[Step]) -> bytes:
    string = open_string(context.db, key, context.now_ms)
    numbers = [step.field.read(string) if string else 0 for step in steps]
    return array([integer_reply(number) for number in numbers])


def _result(step: Step, previous: int) -> int | None:
    """What the field holds after the step; None if that does not fit and is to fail."""
    if step.name == b"get":
        return previous
    wanted = step.operand
    if step.name == b"incrby":
        wanted += previous
    elif step.field.takes_for_unsigned(wanted):
        wanted += 1 << 64
    return step.field.fit(wanted, step.overflow)


def _parse_steps(context: Context, words: list[bytes]) -> list[Step]:
    steps = []
    overflow = Overflow.WRAP
    at = 0
    while at < len(words):
        name = words[at].lower()
        arguments = {b"overflow": 1, b"get": 2, b"set": 3, b"incrby": 3}.get(name, 0)
        if not arguments or at + arguments >= len(words):
            syntax_error()
        if name == b"overflow":
            overflow = _parse_overflow(words[at + 1])
        else:
            field = _parse_field(context, words[at + 1], words[at + 2])
            operand = integer(words[at + 3]) if arguments == 3 else 0
            steps.append(Step(name, field, operand, overflow))
        at += 1 + arguments
    return steps


def _parse_overflow(word: bytes) -> Overflow:
    try:
        return Overflow(word.lower())
    except ValueError:
        raise ReplyError("ERR Invalid OVERFLOW type specified") from None


def _parse_field(context: Context, kind: bytes, place: bytes) -> Field:
    # Redis reads the type as a C string: up to the first NUL.
    width = to_integer(kind[1:].partition(b"\0")[0])
    is_signed = kind[:1] == b"i"
    width_max = _SIGNED_WIDTH_MAX if is_signed else _UNSIGNED_WIDTH_MAX
    if kind[:1] not in (b"i", b"u") or width is None or not 1 <= width <= width_max:
        raise ReplyError(_TYPE_ERROR)
    if place[:1] == b"#":
        number = to_integer(place[1:])
        offset = None if number is None else number * width
    else:
        offset = to_integer(place)
    return Field(check_offset(context, offset), width, is_signed)


TABLE: Final = (
    row(
        "bitfield", -2, "write denyoom", bitfield,
        summary="Reads and changes integers of any width inside of a string.",
        since="3.2.0", group="bitmap", categories="bitmap",
        complexity="O(1) for each subcommand",
        syntax="key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
        "<SET encoding offset value | INCRBY encoding offset increment> [GET encoding offset | "
        "[OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | "
        "INCRBY encoding offset increment> ...]]",
        keys=(keys("RW access update variable_flags"),),
    ),
    row(
        "bitfield_ro", -2, "readonly fast", bitfield_ro,
        summary="Reads integers of any width inside of a string.",
        since="6.0.0", group="bitmap", categories="bitmap",
        complexity="O(1) for each subcommand",
        syntax="key [GET encoding offset [GET encoding offset ...]]", keys=(keys("RO access"),),
    ),
)  # fmt: skip
