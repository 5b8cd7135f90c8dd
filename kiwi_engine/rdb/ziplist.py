"""The rows of small strings of older Redis versions: ziplists and zipmaps; read only (pure).

    ziplist  u32 all bytes | u32 where the last is | u16 entries, 65535 if more | entry ... | ff
    entry    length of the entry before: u8, or fe | u32
             00llllll | bytes                       string of up to 63 bytes
             01llllll llllllll | bytes              string of up to 16383 bytes
             10000000 | u32, big-endian | bytes     longer string
             c0, d0, e0, f0, fe                     i16, i32, i64, i24, i8 follow
             f1 to fd                               the number 0 to 12

    zipmap   u8 pairs, 254 if more | (key | value) ... | ff
    key      u8 length, or fe | u32; then its bytes
    value    as a key, but a byte behind its length says how many unused bytes follow it

All numbers but one are little-endian. Source: the comments in Redis' ziplist.c and zipmap.c.
"""

from __future__ import annotations

from typing import Final

from kiwi_engine.errors import PayloadError

_HEADER_BYTES: Final = 10
_MANY: Final = 0xFFFF
_END: Final = 0xFF
_LONG: Final = 0xFE
_INTEGER_BYTES: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}
_PAIRS_MANY: Final = 254


def unpack(data: bytes) -> list[bytes]:
    """The entries of a ziplist, integers as their text; `PayloadError` where `data` is none."""
    size, count = int.from_bytes(data[:4], "little"), int.from_bytes(data[8:10], "little")
    entries: list[bytes] = []
    at = _HEADER_BYTES
    try:
        while data[at] != _END:
            at += 5 if data[at] == _LONG else 1
            entry, at = _unpack_entry(data, at)
            entries.append(entry)
    except IndexError:
        raise PayloadError("a ziplist ends early") from None
    if not at + 1 == size == len(data) or count not in (_MANY, len(entries)):
        raise PayloadError("a ziplist contradicts its header")
    return entries


def _unpack_entry(data: bytes, at: int) -> tuple[bytes, int]:
    first = data[at]
    at += 1
    if first >= 0xC0:
        return _unpack_integer(data, at, first)
    size = first & 0x3F
    if first >= 0x80:
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
    elif first >= 0x40:
        size = size << 8 | data[at]
        at += 1
    return data[at : at + size], at + size


def _unpack_integer(data: bytes, at: int, form: int) -> tuple[bytes, int]:
    if 0xF1 <= form <= 0xFD:
        return b"%d" % (form - 0xF1), at
    size = _INTEGER_BYTES.get(form)
    if size is None:
        raise PayloadError(f"{form:#x} begins no entry of a ziplist")
    return b"%d" % int.from_bytes(data[at : at + size], "little", signed=True), at + size


def unpack_map(data: bytes) -> list[bytes]:
    """Keys and values of a zipmap in turn; `PayloadError` where `data` is none."""
    entries: list[bytes] = []
    at = 1
    try:
        while data[at] != _END:
            size, at = _map_length(data, at)
            unused = 0
            if len(entries) % 2:
                unused = data[at]
                at += 1
            entries.append(data[at : at + size])
            at += size + unused
    except IndexError:
        raise PayloadError("a zipmap ends early") from None
    pairs = len(entries) // 2
    if at + 1 != len(data) or len(entries) % 2 or data[0] not in (min(pairs, _PAIRS_MANY), 254):
        raise PayloadError("a zipmap contradicts its header")
    return entries


def _map_length(data: bytes, at: int) -> tuple[int, int]:
    if data[at] == _LONG:
        return int.from_bytes(data[at + 1 : at + 5], "little"), at + 5
    return data[at], at + 1
