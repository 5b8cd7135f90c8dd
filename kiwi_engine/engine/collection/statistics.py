"""What the collector has done since the start (pure)."""

from __future__ import annotations

import msgspec


class CollectorStatistics(msgspec.Struct):
    """Counts since the start. `values_skipped` were rewritten or deleted by others meanwhile."""

    segments_collected: int = 0
    bytes_freed: int = 0
    values_rewritten: int = 0
    values_skipped: int = 0
    bytes_rewritten: int = 0
    last_error: str = ""

    def count_rewritten(self, moved: int, skipped: int, size: int) -> None:
        """A slice of `size` bytes of values was offered."""
        self.values_rewritten += moved
        self.values_skipped += skipped
        self.bytes_rewritten += size

    def count_collected(self, size: int) -> None:
        """A segment of `size` bytes was removed."""
        self.segments_collected += 1
        self.bytes_freed += size
