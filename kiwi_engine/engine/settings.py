"""The knobs of an engine (pure)."""

from __future__ import annotations

import msgspec

from kiwi_engine.commit.pipeline import SyncMode
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.commit.throttle import Limit
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.vlog.collection import CollectionLimits

_MEBIBYTE = 1024 * 1024


class ThrottleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When writers are slowed down and stopped; rates are bytes a second.

    Limits of `wal_bytes` that are 0 follow from `wal_retained_bytes_max`.
    """

    level_zero_files: Limit = Limit(12, 20)
    pending_compaction_bytes: Limit = Limit(16 * 1024 * _MEBIBYTE, 64 * 1024 * _MEBIBYTE)
    unflushed_memtables: Limit = Limit(2, 3)
    wal_bytes: Limit = Limit(0, 0)
    rate_min: int = _MEBIBYTE
    rate_max: int = 64 * _MEBIBYTE


class CollectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When value-log segments are collected; `rate` is bytes a second, 0 for no limit."""

    limits: CollectionLimits = CollectionLimits(segment_share=0.6, total_share=0.25)
    rate: int = 32 * _MEBIBYTE


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are bytes. Those above the blank line may change while the engine runs."""

    sync_mode: SyncMode = "always"
    batch: BatchLimits = BatchLimits(16_384, 16 * _MEBIBYTE, 0)
    value_threshold: int = 2048
    drain_entries_max: int = 250_000
    drain_bytes_max: int = 32 * _MEBIBYTE
    drain_interval_ns: int = 5_000_000_000
    wal_retained_bytes_max: int = 512 * _MEBIBYTE
    # The index is flushed when a restart would have to replay more than these and what is pending.
    replay_changes_max: int = 250_000
    archive_interval_ns: int = 10_000_000_000
    disk_reserve_bytes: int = 256 * _MEBIBYTE
    # `batch` may be widened by this factor where that is worth while.
    batch_widen_max: int = 4
    throttle: ThrottleSettings = ThrottleSettings()
    collection: CollectionSettings = CollectionSettings()

    # Writers have to wait while the undrained changes are this many bytes.
    pending_bytes_max: int = 128 * _MEBIBYTE
    # Where the log is archived; "" for nowhere.
    archive_directory: str = ""
    clean_cache_bytes: int = 128 * _MEBIBYTE
    wal_segment_bytes: int = 64 * _MEBIBYTE
    value_segment_bytes: int = 256 * _MEBIBYTE
    background_threads: int = 2
    index: IndexSettings = IndexSettings()
