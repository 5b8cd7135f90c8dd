"""About how much memory commands take that wait in the network runtime (pure)."""

from __future__ import annotations

from typing import Final

# CPython's list with its place in another one, and the head of each `bytes` with its place there.
_COMMAND_BYTES: Final = 64
_WORD_BYTES: Final = 48


def footprint(words: list[bytes]) -> int:
    """Bytes that a command takes: a PING of four letters takes much more than four."""
    return _COMMAND_BYTES + len(words) * _WORD_BYTES + sum(map(len, words))
