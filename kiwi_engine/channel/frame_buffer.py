"""Cutting a byte stream into frames without copying what is read (pure).

    writable() -> a view to receive into;  wrote(n);  frames() -> views of the complete bodies

The buffer grows to the largest frame under way and shrinks back afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kiwi_engine.channel.frames import LENGTH

BUFFER_BYTES: Final = 256 * 1024
_READ_BYTES_MIN: Final = 64 * 1024


class FrameBuffer:
    """Bytes [start, end) of the buffer are received and not consumed yet."""

    __slots__ = ("_buffer", "_end", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._start = 0
        self._end = 0

    def writable(self) -> memoryview:
        """Free space for the next receive: never empty, and enough for a frame that has begun."""
        wanted = max(self._missing(), _READ_BYTES_MIN)
        if len(self._buffer) - self._end < wanted:
            self._make_room(wanted)
        return memoryview(self._buffer)[self._end :]

    def wrote(self, count: int) -> None:
        """`count` bytes were received into the view that `writable` returned."""
        self._end += count

    def frames(self) -> Iterator[memoryview]:
        """The bodies of complete frames; each view is valid until the next step."""
        while self._end - self._start >= LENGTH.size and self._missing() == 0:
            (length,) = LENGTH.unpack_from(self._buffer, self._start)
            begin = self._start + LENGTH.size
            self._start = begin + length
            with memoryview(self._buffer)[begin : self._start] as body:
                yield body
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._buffer) > BUFFER_BYTES:
                self._buffer = bytearray(BUFFER_BYTES)

    def _missing(self) -> int:
        """Bytes that the frame at the front still lacks; 0 if it is complete or unknown."""
        received = self._end - self._start
        if received < LENGTH.size:
            return 0
        (length,) = LENGTH.unpack_from(self._buffer, self._start)
        return max(0, int(length) + LENGTH.size - received)

    def _make_room(self, wanted: int) -> None:
        """Move what is left to the front of a buffer that is large enough, and no larger."""
        rest = bytes(memoryview(self._buffer)[self._start : self._end])
        self._buffer = bytearray(max(BUFFER_BYTES, len(rest) + wanted))
        self._buffer[: len(rest)] = rest
        self._start, self._end = 0, len(rest)
