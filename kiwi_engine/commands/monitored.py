"""What MONITOR shows of commands (pure).

Source: Redis 7.2, `replicationFeedMonitors` for the line, `sdscatrepr` for the quoting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kiwi_engine.commands.redaction import redacted
from kiwi_engine.commands.resolve import find

_NAMED: Final = {
    ord("\\"): rb"\\", ord('"'): rb"\"", ord("\n"): rb"\n", ord("\r"): rb"\r",
    ord("\t"): rb"\t", ord("\a"): rb"\a", ord("\b"): rb"\b",
}  # fmt: skip
_PRINTABLE: Final = range(0x20, 0x7F)
_ESCAPED: Final = [
    _NAMED.get(byte, bytes((byte,)) if byte in _PRINTABLE else rb"\x%02x" % byte)
    for byte in range(256)
]


def is_shown(words: Sequence[bytes]) -> bool:
    """Whether a command that is run is shown: administrators' commands are not."""
    resolved = find(list(words))
    return resolved is not None and "admin" not in resolved.row.flags


def line(wall_us: int, db: int, origin: str, words: Sequence[bytes]) -> bytes:
    """The encoded line; `origin` is an address, or `lua`."""
    seconds, microseconds = divmod(wall_us, 1_000_000)
    quoted = b" ".join(map(_quoted, redacted(list(words))))
    return b"+%d.%06d [%d %b] %b\r\n" % (seconds, microseconds, db, origin.encode(), quoted)


def _quoted(word: bytes) -> bytes:
    return b'"%b"' % b"".join(map(_ESCAPED.__getitem__, word))
