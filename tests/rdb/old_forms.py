"""Writes the forms of older Redis versions, which Kiwi only reads."""

from __future__ import annotations

from collections.abc import Sequence

from kiwi_engine.rdb import encode_stream, kinds, wire
from kiwi_engine.rdb.encode import Encoded
from kiwi_engine.rdb.values import RdbStream, StreamId


def pack_ziplist(elements: Sequence[bytes]) -> bytes:
    """A ziplist; integers in the form that Redis would choose."""
    body = b""
    before = last = 0
    for element in elements:
        last = len(body)
        front = bytes((before,)) if before < 254 else b"\xfe" + before.to_bytes(4, "little")
        entry = front + _ziplist_entry(element)
        before = len(entry)
        body += entry
    size = 10 + len(body) + 1
    header = size.to_bytes(4, "little") + (10 + last).to_bytes(4, "little")
    return header + min(len(elements), 65535).to_bytes(2, "little") + body + b"\xff"


def _ziplist_entry(element: bytes) -> bytes:
    if 0 < len(element) <= 20 and element.removeprefix(b"-").isdigit():
        number = int(element)
        if b"%d" % number == element and -(2**63) <= number < 2**63:
            return _ziplist_integer(number)
    size = len(element)
    if size < 64:
        return bytes((size,)) + element
    if size < 16384:
        return bytes((0x40 | size >> 8, size & 0xFF)) + element
    return b"\x80" + size.to_bytes(4, "big") + element


def _ziplist_integer(number: int) -> bytes:
    if 0 <= number <= 12:
        return bytes((0xF1 + number,))
    for form, size in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4)):
        if -1 << 8 * size - 1 <= number < 1 << 8 * size - 1:
            return bytes((form,)) + number.to_bytes(size, "little", signed=True)
    return b"\xe0" + number.to_bytes(8, "little", signed=True)


def pack_zipmap(elements: Sequence[bytes]) -> bytes:
    """A zipmap of keys and values in turn, with three unused bytes behind each value."""
    body = b""
    for at, element in enumerate(elements):
        size = len(element)
        length = bytes((size,)) if size < 254 else b"\xfe" + size.to_bytes(4, "little")
        body += length + b"\x03" + element + b"..." if at % 2 else length + element
    return bytes((min(len(elements) // 2, 254),)) + body + b"\xff"


def pack_stream(value: RdbStream, read_ids: Sequence[StreamId]) -> Encoded:
    """The first form of streams; one group stands at each of `read_ids`."""
    no_groups = value._replace(groups=[])
    body = encode_stream.stream(no_groups, encode_stream.StreamNodeLimit(100, 4096)).body
    behind_last_id = [*value.first_id, *value.max_deleted_id, value.entries_added, 0]
    front = body[1 : -len(b"".join(map(wire.length, behind_last_id)))]
    groups = [
        wire.Strings().pack(b"g%d" % at) + b"".join(map(wire.length, (*read_id, 0, 0)))
        for at, read_id in enumerate(read_ids)
    ]
    count = wire.length(len(groups))
    return Encoded(bytes((kinds.STREAM_1,)) + front + count + b"".join(groups), 9)
