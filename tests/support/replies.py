"""Raw RESP replies: where one ends, and what is in it (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

AGGREGATES: Final = b"*%~>"
_BULKS: Final = b"$="
_MAP: Final = ord("%")


class Aggregate(NamedTuple):
    """An array, set, map or push; the elements of a map are key, value, key, value."""

    kind: int
    elements: list[Reply]


# A scalar is its raw bytes, type byte and line end included.
Reply = bytes | Aggregate


def reply_end(data: bytes, start: int) -> int | None:
    """Where the reply that begins at `start` ends, or None while it is incomplete."""
    at, missing, size = start, 1, len(data)
    while missing:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        kind = data[at]
        if kind in _BULKS:
            length = int(data[at + 1 : line_end])
            at = line_end + (length + 4 if length >= 0 else 2)
            if at > size:
                return None
        else:
            if kind in AGGREGATES:
                missing += _element_count(data, at, line_end)
            at = line_end + 2
        missing -= 1
    return at


def _element_count(data: bytes, start: int, line_end: int) -> int:
    return max(0, int(data[start + 1 : line_end])) * (2 if data[start] == _MAP else 1)


def elements(reply: bytes) -> list[bytes]:
    """The raw elements of an array reply."""
    end = reply.index(b"\r\n") + 2
    found = []
    while end < len(reply):
        inner = reply_end(reply, end)
        assert inner is not None
        found.append(reply[end:inner])
        end = inner
    return found


def parse(reply: bytes) -> Reply:
    """The reply with its aggregates taken apart; a null array stays as it is."""
    return _parse(reply, 0)[0]


def _parse(data: bytes, start: int) -> tuple[Reply, int]:
    if data[start] not in AGGREGATES or data.startswith(b"*-1", start):
        end = reply_end(data, start)
        assert end is not None
        return data[start:end], end
    line_end = data.index(b"\r\n", start)
    at, found = line_end + 2, []
    for _ in range(_element_count(data, start, line_end)):
        element, at = _parse(data, at)
        found.append(element)
    return Aggregate(data[start], found), at


def text_of(reply: Reply) -> bytes:
    """The content of a bulk string."""
    assert isinstance(reply, bytes) and reply.startswith(b"$"), reply
    return reply[reply.index(b"\r\n") + 2 : -2]
