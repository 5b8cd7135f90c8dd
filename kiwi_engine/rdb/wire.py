"""Numbers and strings of the RDB format (pure).

    length   00llllll                        6 bits
             01llllll llllllll               14 bits
             10000000 | u32                  big-endian
             10000001 | u64                  big-endian
    string   length | that many bytes
             11000000 | i8                   an integer in its one spelling
             11000001 | i16                  little-endian, as all that follow
             11000010 | i32
             11000011 | length of the compressed form | length | compressed bytes (`rdb.lzf`)

Source: the comments in Redis' rdb.h. Nothing is ever allocated by a length that the bytes only
claim; what compressed strings may unfold to is bounded by the reader's budget.
"""

from __future__ import annotations

import struct
from typing import Final

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import lzf

# What the strings of one payload may unfold to, all together.
UNFOLDED_BYTES_MAX: Final = 512 * 1024 * 1024
# Strings up to this length are looked at as numbers; longer ones than the other are compressed.
INTEGER_TEXT_MAX: Final = 11
UNCOMPRESSED_BYTES_MAX: Final = 20
# How much of a value is compressed, in some 10 ms; the form is the writer's choice.
COMPRESSED_BYTES_MAX: Final = 16 * 1024
# A compressed form must save at least as much.
_SAVED_BYTES_MIN: Final = 4

_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_I64_LITTLE: Final = struct.Struct("<q")
_DOUBLE_LITTLE: Final = struct.Struct("<d")
_INTEGERS: Final = (struct.Struct("<b"), struct.Struct("<h"), struct.Struct("<i"))
_COMPRESSED: Final = 3


def length(number: int) -> bytes:
    """A length, or any other unsigned 64-bit number."""
    if number < 1 << 6:
        return bytes((number,))
    if number < 1 << 14:
        return bytes((0x40 | number >> 8, number & 0xFF))
    if number < 1 << 32:
        return b"\x80" + _U32.pack(number)
    return b"\x81" + _U64.pack(number)


class Strings:
    """Writes the strings of one value, each in the form that Redis chooses for it.

    Redis compresses every string that gets smaller by it. Here only the first ones are tried, of
    `COMPRESSED_BYTES_MAX` together: the rest of a large value would hold up everybody else.
    """

    __slots__ = ("_budget",)

    def __init__(self, compressed_bytes_max: int = COMPRESSED_BYTES_MAX) -> None:
        self._budget = compressed_bytes_max

    def pack(self, data: bytes) -> bytes:
        """One string."""
        size = len(data)
        if size <= INTEGER_TEXT_MAX:
            return _short_integer(data) or length(size) + data
        if UNCOMPRESSED_BYTES_MAX < size <= self._budget:
            self._budget -= size
            small = lzf.compress(data, size - _SAVED_BYTES_MIN)
            if small is not None:
                return b"\xc3" + length(len(small)) + length(size) + small
        return length(size) + data


def _short_integer(data: bytes) -> bytes:
    """A 32-bit integer in its one spelling; nothing for any other text."""
    if not data.removeprefix(b"-").isdigit():
        return b""
    number = int(data)
    if b"%d" % number != data:
        return b""
    for form, packing in enumerate(_INTEGERS):
        bound = 1 << (8 * packing.size - 1)
        if -bound <= number < bound:
            return bytes((0xC0 | form,)) + packing.pack(number)
    return b""


def milliseconds(number: int) -> bytes:
    """A time as a signed 64-bit number."""
    return _I64_LITTLE.pack(number)


def double(number: float) -> bytes:
    """A double in eight bytes."""
    return _DOUBLE_LITTLE.pack(number)


class Reader:
    """Reads one payload from its beginning; every method raises `PayloadError` at its end.

    `at` is the position of the next byte. `unfolded_bytes_max` bounds what strings may unfold to.
    """

    __slots__ = ("_budget", "_data", "_end", "at")

    def __init__(self, data: bytes, unfolded_bytes_max: int = UNFOLDED_BYTES_MAX) -> None:
        self._data = data
        self._end = len(data)
        self._budget = unfolded_bytes_max
        self.at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start, end = self.at, self.at + size
        if end > self._end:
            raise PayloadError(f"{size} bytes are announced at {start}, and not there")
        self.at = end
        return self._data[start:end]

    def byte(self) -> int:
        if self.at >= self._end:
            raise PayloadError("the payload ends early")
        self.at += 1
        return self._data[self.at - 1]

    def length(self) -> int:
        """A length or another unsigned number."""
        first = self.byte()
        form = first >> 6
        if form == 0:
            return first
        if form == 1:
            return (first & 0x3F) << 8 | self.byte()
        if first == 0x80:
            (number,) = _U32.unpack(self.take(4))
        elif first == 0x81:
            (number,) = _U64.unpack(self.take(8))
        else:
            raise PayloadError(f"{first:#x} begins no length")
        return int(number)

    def count(self) -> int:
        """How many elements follow; zero is an error, as no empty collection is ever stored."""
        return self.length() or _no_elements()

    def string(self) -> bytes:
        """A string in any of its forms."""
        if self.at < self._end and self._data[self.at] >= 0xC0:
            return self._encoded_string(self.byte() & 0x3F)
        return self.take(self.length())

    def _encoded_string(self, form: int) -> bytes:
        if form < len(_INTEGERS):
            packing = _INTEGERS[form]
            (number,) = packing.unpack(self.take(packing.size))
            return b"%d" % number
        if form != _COMPRESSED:
            raise PayloadError(f"unknown form {form} of a string")
        compressed_size, size = self.length(), self.length()
        self._budget -= size
        if self._budget < 0:
            raise PayloadError("strings unfold to too much")
        return lzf.decompress(self.take(compressed_size), size)

    def milliseconds(self) -> int:
        """A time as a signed 64-bit number."""
        (number,) = _I64_LITTLE.unpack(self.take(8))
        return int(number)

    def double(self) -> float:
        """A double in eight bytes."""
        (number,) = _DOUBLE_LITTLE.unpack(self.take(8))
        return float(number)

    def double_text(self) -> float:
        """A double as text, with its length in one byte; the form before Redis 4."""
        size = self.byte()
        if size >= 253:
            return (float("nan"), float("inf"), float("-inf"))[size - 253]
        return parse_double(self.take(size))


def parse_double(text: bytes) -> float:
    """A double that Redis wrote as text."""
    try:
        # Python alone allows underscores between digits.
        return float(text.replace(b"_", b"?"))
    except ValueError:
        raise PayloadError("a score is no number") from None


def _no_elements() -> int:
    raise PayloadError("a collection is empty")
