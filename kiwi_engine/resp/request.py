"""Parsing requests strictly and incrementally: the specification of what a client may send (pure).

    request   = multibulk | inline
    multibulk = "*" count CR any ( "$" length CR any payload any any ) x count
    inline    = words of one line that ends in LF; see `resp.inline`

`any` is a byte that is not looked at, as in Redis. A count of zero or less and an empty line are no
command. Nothing is ever allocated in proportion to a claimed count or length: memory follows the
bytes that arrived. The error texts are those of Redis 7.2. Two deliberate differences: a NUL byte
in a header is an error at once, and so is the beginning of TLS (Redis waits for more bytes, which
cannot help).

`resp.fast` is the quick way to the same result; this module also finishes what it leaves over.
"""

from __future__ import annotations

import io
import re
from typing import Final, NamedTuple

from kiwi_engine.errors import ProtocolError, QueryTooLongError
from kiwi_engine.resp.inline import UnbalancedQuotesError, split_words

LINE_BYTES_MAX: Final = 64 * 1024
UNAUTHENTICATED_COUNT_MAX: Final = 10
UNAUTHENTICATED_BULK_BYTES_MAX: Final = 16384
_COUNT_MAX: Final = 2**31 - 1
_INTEGER: Final = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
_ASTERISK: Final = ord("*")
# What the first message of a TLS client begins with. It need not contain a line end, and then the
# client would wait for an answer until it gives up, as it does with Redis.
_TLS_HELLO: Final = b"\x16\x03"
_NO_BOUND: Final = 2**62
# CPython's head of a `bytes` with its place in a list: an argument may be empty, but is not free.
_ARGUMENT_BYTES: Final = 48
# Looking up a whole header takes a third of the time of reading its digits.
_SHORT_BULKS: Final = {b"$%d" % length: length for length in range(1024)}
_SHORT_COUNTS: Final = {b"*%d" % count: count for count in range(64)}


class Limits(NamedTuple):
    """What one client may send.

    `command_bytes_max` bounds the memory of an unfinished command, what its arguments take beside
    their bytes included; whatever exceeds it raises `QueryTooLongError`.
    """

    bulk_bytes_max: int = 512 * 1024 * 1024
    command_bytes_max: int = 1024 * 1024 * 1024
    authenticated: bool = True


class RequestParser:
    """The state of one connection's input between two chunks.

    At a *boundary* it holds nothing. After it raised `ProtocolError` it must not be used again.
    """

    __slots__ = (
        "_arguments",
        "_line",
        "_missing",
        "_payload",
        "_pending_bytes",
        "_wanted",
        "limits",
    )

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - immutable
        self.limits = limits
        self._line = b""  # an unfinished header or inline command
        self._arguments: list[bytes] = []  # the unfinished multibulk
        self._missing = 0  # arguments that it still lacks
        self._payload: io.BytesIO | None = None  # the unfinished argument
        self._wanted = 0  # bytes that it still lacks, its line end included
        self._pending_bytes = 0

    @property
    def at_boundary(self) -> bool:
        return not self._missing and not self._line

    @property
    def pending_bytes(self) -> int:
        """Bytes received of the unfinished command."""
        return self._pending_bytes

    def advance(
        self, data: bytes, commands: list[list[bytes]], count_max: int = _NO_BOUND, start: int = 0
    ) -> int:
        """Append the commands that become complete with `data[start:]` to `commands`.

        Returns the position in `data` up to which it was taken: its end, unless `count_max`
        commands became complete before. Raises `ProtocolError`; `commands` then holds what
        preceded the error.
        """
        held = len(self._line)
        if held:
            data = self._line + data[start:]
            self._line = b""
            shift, position = start - held, 0
        else:
            shift, position = 0, start
        command_start = position
        count_max += len(commands)
        end = len(data)
        while position < end and len(commands) < count_max:
            if not self._missing:
                if data[position] == _ASTERISK:
                    position = self._take_count(data, position)
                else:
                    position = self._take_inline(data, position, commands)
            if self._missing:
                position = self._take_arguments(data, position)
            if not self._missing and not self._line:
                if self._arguments:
                    commands.append(self._arguments)
                    self._arguments = []
                self._pending_bytes = 0
                command_start = position
        if self._missing or self._line:
            self._count_pending(end - max(command_start, held))
        return position + shift

    def _count_pending(self, received: int) -> None:
        self._pending_bytes += received
        overhead_bytes = _ARGUMENT_BYTES * len(self._arguments)
        if self._pending_bytes + overhead_bytes > self.limits.command_bytes_max:
            raise QueryTooLongError

    def _take_count(self, data: bytes, position: int) -> int:
        """Read `*count` at `position`; returns the position after it."""
        newline = data.find(b"\r", position)
        if newline < 0 or newline + 2 > len(data):
            return self._hold_line(data, position, newline, "too big mbulk count string")
        header = data[position:newline]
        count = _SHORT_COUNTS.get(header)
        if count is None:
            count = _read_integer(header[1:])
            if count is None or count > _COUNT_MAX:
                raise ProtocolError("invalid multibulk length")
        if count > UNAUTHENTICATED_COUNT_MAX and not self.limits.authenticated:
            raise ProtocolError("unauthenticated multibulk length")
        self._missing = max(count, 0)
        return newline + 2

    def _take_arguments(self, data: bytes, position: int) -> int:
        """Read arguments from `position` until the command is complete or `data` ends."""
        if self._payload is not None:
            position = self._take_payload(self._payload, data, position)
        end = len(data)
        arguments = self._arguments
        bulk_bytes_max = self.limits.bulk_bytes_max
        missing = self._missing
        find = data.find  # bound once: a tenth of this loop, which costs 0.4 us an argument
        while missing and position < end:
            newline = find(b"\r", position)
            if newline < 0 or newline + 2 > end:
                self._missing = missing
                return self._hold_line(data, position, newline, "too big bulk count string")
            length = _SHORT_BULKS.get(data[position:newline], _NO_BOUND)
            if length > bulk_bytes_max:
                length = self._read_bulk_length(data[position:newline])
            start = newline + 2
            stop = start + length
            position = stop + 2
            if position > end:
                self._missing = missing
                return self._hold_payload(data, start, length)
            arguments.append(data[start:stop])
            missing -= 1
        self._missing = missing
        return position

    def _read_bulk_length(self, header: bytes) -> int:
        if header[:1] != b"$":
            got = (header[:1] or b"\r").decode("utf-8", "surrogateescape")
            raise ProtocolError(f"expected '$', got '{got}'")
        length = _read_integer(header[1:])
        if length is None or not 0 <= length <= self.limits.bulk_bytes_max:
            raise ProtocolError("invalid bulk length")
        if length > UNAUTHENTICATED_BULK_BYTES_MAX and not self.limits.authenticated:
            raise ProtocolError("unauthenticated bulk length")
        return length

    def _hold_payload(self, data: bytes, start: int, length: int) -> int:
        """Keep the beginning of an argument of which `data` has not everything."""
        # A BytesIO grows in place and gives its buffer away: the payload exists once, not twice.
        self._payload = io.BytesIO()
        self._wanted = length + 2
        return self._take_payload(self._payload, data, start)

    def _take_payload(self, payload: io.BytesIO, data: bytes, position: int) -> int:
        taken = min(self._wanted, len(data) - position)
        payload.write(data[position : position + min(taken, max(self._wanted - 2, 0))])
        self._wanted -= taken
        if not self._wanted:
            self._arguments.append(payload.getvalue())
            self._missing -= 1
            self._payload = None
        return position + taken

    def _take_inline(self, data: bytes, position: int, commands: list[list[bytes]]) -> int:
        if data.startswith(_TLS_HELLO, position):
            raise ProtocolError("TLS on a port without TLS")
        newline = data.find(b"\n", position)
        if newline < 0:
            return self._hold_line(data, position, newline, "too big inline request")
        line = data[position:newline]
        try:
            words = split_words(line[:-1] if line.endswith(b"\r") else line)
        except UnbalancedQuotesError:
            raise ProtocolError("unbalanced quotes in request") from None
        if words:
            commands.append(words)
        return newline + 1

    def _hold_line(self, data: bytes, position: int, newline: int, complaint: str) -> int:
        """Keep the unfinished line at `position` for the next chunk."""
        if newline < 0 and len(data) - position > LINE_BYTES_MAX:
            raise ProtocolError(complaint)
        self._line = data[position:]
        return len(data)


def _read_integer(digits: bytes) -> int | None:
    """A 64-bit number in its one canonical spelling, or None."""
    if _INTEGER(digits) is None:
        return None
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else None
