"""Listpacks: small strings and integers in a row, in one string (pure).

    u32 all bytes | u16 elements, 65535 if more | element ... | ff          little-endian

    element  0nnnnnnn                       integer 0 to 127
             10llllll | bytes               string of up to 63 bytes
             110nnnnn nnnnnnnn              signed integer of 13 bits
             1110llll llllllll | bytes      string of up to 4095 bytes
             11110000 | u32 | bytes         longer string
             11110001 to 11110100           signed integer of 16, 24, 32, 64 bits
             each followed by the length of all this, seven bits a byte, the highest first; all
             bytes but the first have their highest bit set, because it is read from behind

Source: https://github.com/antirez/listpack/blob/master/listpack.md. Text that is the one spelling
of a 64-bit integer is stored as that integer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from kiwi_engine.errors import PayloadError

_HEADER: Final = struct.Struct("<IH")
EMPTY_BYTES: Final = _HEADER.size + 1
_MANY: Final = 0xFFFF
_END: Final = 0xFF
_INTEGER_TEXT_MAX: Final = 20
_INT64: Final = 1 << 63


def pack(elements: Iterable[bytes | int]) -> bytes:
    """A listpack; an integer is the same as its text."""
    packed = [pack_element(element) for element in elements]
    body = b"".join(packed)
    size = EMPTY_BYTES + len(body)
    return _HEADER.pack(size, min(len(packed), _MANY)) + body + b"\xff"


def pack_element(element: bytes | int) -> bytes:
    """One element with its length behind it."""
    if isinstance(element, bytes):
        number = to_integer(element)
        front = _pack_text(element) if number is None else _pack_integer(number)
    else:
        front = _pack_integer(element)
    return front + _length_behind(len(front))


def to_integer(text: bytes) -> int | None:
    """The 64-bit integer of which `text` is the one spelling, or None."""
    if not 0 < len(text) <= _INTEGER_TEXT_MAX or not text.removeprefix(b"-").isdigit():
        return None
    number = int(text)
    return number if b"%d" % number == text and -_INT64 <= number < _INT64 else None


def _pack_integer(number: int) -> bytes:
    if 0 <= number < 128:
        return bytes((number,))
    if -4096 <= number < 4096:
        return bytes((0xC0 | number >> 8 & 0x1F, number & 0xFF))
    for form, size in ((0xF1, 2), (0xF2, 3), (0xF3, 4)):
        if -1 << (8 * size - 1) <= number < 1 << (8 * size - 1):
            return bytes((form,)) + number.to_bytes(size, "little", signed=True)
    return b"\xf4" + number.to_bytes(8, "little", signed=True)


def _pack_text(text: bytes) -> bytes:
    size = len(text)
    if size < 64:
        return bytes((0x80 | size,)) + text
    if size < 4096:
        return bytes((0xE0 | size >> 8, size & 0xFF)) + text
    return b"\xf0" + size.to_bytes(4, "little") + text


def _length_behind(size: int) -> bytes:
    if size < 128:
        return bytes((size,))
    # The largest number of each width is given one byte more; Redis does so.
    width = next(width for width in range(2, 6) if size < (1 << 7 * width) - 1 or width == 5)
    parts = [size >> 7 * place & 0x7F | 0x80 for place in reversed(range(width))]
    parts[0] &= 0x7F
    return bytes(parts)


def unpack(data: bytes) -> list[bytes]:
    """The elements, integers as their text; `PayloadError` where `data` is no whole listpack."""
    try:
        size, count = _HEADER.unpack_from(data)
        elements, end = _unpack_elements(data)
    except (struct.error, IndexError):
        raise PayloadError("a listpack ends early") from None
    if size != len(data) or end + 1 != size or count not in (_MANY, len(elements)):
        raise PayloadError("a listpack contradicts its header")
    return elements


def _unpack_elements(data: bytes) -> tuple[list[bytes], int]:
    """The elements and where the end mark stands."""
    elements: list[bytes] = []
    at = _HEADER.size
    while data[at] != _END:
        start = at
        first = data[at]
        if first < 0x80:
            element, at = b"%d" % first, at + 1
        elif first < 0xC0:
            at += 1 + (first & 0x3F)
            element = data[start + 1 : at]
        elif first < 0xE0:
            element = b"%d" % (((first & 0x1F) << 8 | data[at + 1]) - (first >> 4 & 1) * 0x2000)
            at += 2
        else:
            element, at = _unpack_long(data, at)
        behind = _length_behind(at - start)
        if data[at : at + len(behind)] != behind:
            raise PayloadError("an element of a listpack has another length")
        elements.append(element)
        at += len(behind)
    return elements, at


def _unpack_long(data: bytes, at: int) -> tuple[bytes, int]:
    """An element whose form takes more than the bits of its first byte, and where it ends."""
    first = data[at]
    if first < 0xF0:
        start = at + 2
        end = start + ((first & 0xF) << 8 | data[at + 1])
        return data[start:end], end
    if first == 0xF0:
        start = at + 5
        end = start + int.from_bytes(data[at + 1 : start], "little")
        return data[start:end], end
    size = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}.get(first)
    if size is None:
        raise PayloadError(f"{first:#x} begins no element of a listpack")
    end = at + 1 + size
    return b"%d" % int.from_bytes(data[at + 1 : end], "little", signed=True), end
