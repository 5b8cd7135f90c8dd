"""The knobs of an engine (pure)."""

from __future__ import annotations

import msgspec

from kiwi_engine.commit.pipeline import SyncMode
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.index.settings import IndexSettings

_MEBIBYTE = 1024 * 1024


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes. Those above the blank line may change while the engine runs."""

    sync_mode: SyncMode = "always"
    batch: BatchLimits = BatchLimits(16_384, 16 * _MEBIBYTE, 0)
    value_threshold: int = 2048
    drain_entries_max: int = 250_000
    drain_bytes_max: int = 64 * _MEBIBYTE
    drain_interval_ns: int = 5_000_000_000
    wal_retained_bytes_max: int = 512 * _MEBIBYTE
    disk_reserve_bytes: int = 256 * _MEBIBYTE

    # Undrained changes beyond this hold up the executing thread.
    pending_bytes_max: int = 128 * _MEBIBYTE
    clean_cache_bytes: int = 128 * _MEBIBYTE
    wal_segment_bytes: int = 64 * _MEBIBYTE
    value_segment_bytes: int = 256 * _MEBIBYTE
    background_threads: int = 2
    index: IndexSettings = IndexSettings()
