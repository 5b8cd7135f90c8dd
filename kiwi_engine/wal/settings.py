"""The settings of the commit log (pure)."""

from __future__ import annotations

import msgspec

from kiwi_engine.wal.format import SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN


class LogSettings(msgspec.Struct, frozen=True):
    """Run-time settings of the log; any of them may differ from those a segment was made with.

    `recycled_max`: full segments kept for reuse. `zero_slice_bytes`: how much is zeroed a sync.
    """

    segment_bytes: int = 64 << 20
    recycled_max: int = 2
    zero_slice_bytes: int = 4 << 20

    def __post_init__(self) -> None:
        assert SEGMENT_BYTES_MIN <= self.segment_bytes <= SEGMENT_BYTES_MAX
        assert self.recycled_max >= 0
        assert self.zero_slice_bytes > 0
