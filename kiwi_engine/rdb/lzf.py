"""LZF, the compression inside of RDB strings (pure).

    000lllll  literal                     l + 1 bytes as they are
    lllddddd dddddddd                     l + 2 bytes from d + 1 bytes before, l being 1 to 6
    111ddddd llllllll dddddddd            l + 9 bytes from d + 1 bytes before

`compress` makes the choices of the library that Redis contains (liblzf with VERY_FAST), so that its
output is the same byte for byte: a table remembers where each hash of three bytes was met last, and
a run that repeats is taken at once.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.errors import PayloadError

_LITERAL_MAX: Final = 32
_DISTANCE_MAX: Final = 1 << 13
_MATCH_MAX: Final = 264
_SLOT_MASK: Final = 0xFFFF
# A match that is known to have more room than this is compared without asking for its end.
_UNCHECKED: Final = 16


def decompress(data: bytes, size: int) -> bytes:
    """What `data` stands for, which must be exactly `size` bytes; else `PayloadError`."""
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end:
            control = data[at]
            at += 1
            if control < _LITERAL_MAX:
                out += data[at : at + control + 1]
                at += control + 1
            else:
                length = control >> 5
                if length == 7:
                    length += data[at]
                    at += 1
                distance = ((control & 31) << 8 | data[at]) + 1
                at += 1
                _repeat(out, distance, length + 2)
            if len(out) > size:
                break
    except IndexError:
        raise PayloadError("compressed data ends early") from None
    if at != end or len(out) != size:
        raise PayloadError("compressed data has another size")
    return bytes(out)


def _repeat(out: bytearray, distance: int, length: int) -> None:
    """Append `length` bytes that begin `distance` before the end; they may overlap themselves."""
    start = len(out) - distance
    if start < 0:
        raise PayloadError("compressed data refers to before its beginning")
    if distance >= length:
        out += out[start : start + length]
    else:
        out += (out[start:] * (length // distance + 1))[:length]


def compress(data: bytes, size_max: int) -> bytes | None:
    """`data` in at most `size_max` bytes, None where that is not reached; up to 0.7 us a byte."""
    latest: dict[int, int] = {}
    out = bytearray()
    at = literal_start = 0
    end = len(data)
    while at < end - 2:
        # What `_slot` computes, without a call: this is where the time goes.
        three = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
        slot = ((three >> 8) - three * 5) & _SLOT_MASK
        found = latest.get(slot)
        latest[slot] = at
        # Like the original, it never refers to the very first byte.
        if found and at - found <= _DISTANCE_MAX and data[found : found + 3] == data[at : at + 3]:
            literals = at - literal_start
            # The bytes so far, the length byte of the literals (if any), and the longest match.
            if len(out) + literals + bool(literals) + 4 >= size_max:
                return None
            _append_literal(out, data, literal_start, at)
            length = _match_length(data, found, at)
            _append_match(out, at - found - 1, length - 2)
            literal_start = at = at + length
            if at < end - 2:
                latest[_slot(data, at - 2)] = at - 2
                latest[_slot(data, at - 1)] = at - 1
            continue
        at += 1
        if at - literal_start == _LITERAL_MAX:
            if len(out) + _LITERAL_MAX >= size_max:
                return None
            _append_literal(out, data, literal_start, at)
            literal_start = at
    if len(out) + 1 + at - literal_start + 3 > size_max:
        return None
    for start in range(literal_start, end, _LITERAL_MAX):
        _append_literal(out, data, start, min(start + _LITERAL_MAX, end))
    return bytes(out)


def _slot(data: bytes, at: int) -> int:
    """The place in the table of the three bytes at `at`."""
    three = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
    return ((three >> 8) - three * 5) & _SLOT_MASK


def _match_length(data: bytes, found: int, at: int) -> int:
    """How many bytes at `at` repeat those at `found`; three are known to.

    The original compares up to the end less two, or beyond that by as much as it compares in one
    go; so an output that is the same must do it, too.
    """
    room = min(len(data) - at - 2, _MATCH_MAX)
    length = 3
    if room > _UNCHECKED:
        last = 2 + _UNCHECKED
        while length <= last and data[found + length] == data[at + length]:
            length += 1
        if length <= last:
            return length
    while length < room and data[found + length] == data[at + length]:
        length += 1
    return length


def _append_match(out: bytearray, offset: int, length: int) -> None:
    high = offset >> 8
    if length < 7:
        out.append(length << 5 | high)
    else:
        out.append(7 << 5 | high)
        out.append(length - 7)
    out.append(offset & 0xFF)


def _append_literal(out: bytearray, data: bytes, start: int, end: int) -> None:
    """Append the bytes from `start` to `end`, 32 at most, as a literal."""
    if end > start:
        out.append(end - start - 1)
        out += data[start:end]
