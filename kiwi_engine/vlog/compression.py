"""Which values are worth compressing, and decompression (pure).

Trying costs about as much as writing, so after a run of values that did not shrink only a few are
tried, until one shrinks again.
"""

from __future__ import annotations

import threading
from typing import Final

import zstandard

# Making a decompressor costs more than a small value's decompression (14 of 22 µs), and one may
# not be used by two threads at once.
_thread = threading.local()

LEVEL: Final = 1
# Compressed bytes are kept only where they save at least 1/8: decompression costs each read.
_SAVED_SHARE: Final = 8
_FAILURES_BEFORE_SKIPPING: Final = 8
_PROBE_EVERY: Final = 32
# A frame costs some 13 bytes, and small values have little to repeat.
_BYTES_MIN: Final = 64


class Compressor:
    """Compresses values, learning from the last ones. One thread's own."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._zstd = zstandard.ZstdCompressor(level=LEVEL)
        self._failures = 0
        self._skipped = 0

    def compress(self, value: bytes) -> bytes | None:
        """The compressed form, or None where the value is better stored as it is."""
        if not self._enabled or len(value) < _BYTES_MIN or self._skips():
            return None
        stored = self._zstd.compress(value)
        if len(stored) <= len(value) - len(value) // _SAVED_SHARE:
            self._failures = 0
            return stored
        self._failures += 1
        return None

    def _skips(self) -> bool:
        if self._failures < _FAILURES_BEFORE_SKIPPING:
            return False
        self._skipped = (self._skipped + 1) % _PROBE_EVERY
        return self._skipped != 0


def decompress(stored: bytes | memoryview, raw_bytes: int) -> bytes:
    """The value of `raw_bytes` bytes; `ValueError` unless `stored` is a frame of just that."""
    decompressor = getattr(_thread, "decompressor", None)
    if decompressor is None:
        decompressor = _thread.decompressor = zstandard.ZstdDecompressor()
    try:
        if zstandard.frame_content_size(stored) != raw_bytes:
            raise ValueError("the compressed value has another length")
        value: bytes = decompressor.decompress(stored)
    except zstandard.ZstdError as failure:
        raise ValueError(f"decompression failed: {failure}") from failure
    return value
