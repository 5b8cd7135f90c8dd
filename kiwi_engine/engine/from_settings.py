"""From the configuration that people write to the knobs of the engine (pure)."""

from __future__ import annotations

import os
from typing import Final

from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.commit.throttle import Limit
from kiwi_engine.config.settings import Settings
from kiwi_engine.engine.settings import CollectionSettings, EngineSettings, ThrottleSettings
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.vlog.collection import CollectionLimits

# Smaller ones RocksDB makes larger.
MEMTABLE_BYTES_MIN: Final = 64 * 1024


def engine_settings(settings: Settings) -> EngineSettings:
    """`memory` is shared out: a quarter each to RocksDB's blocks, to its memtables, to clean
    entries and to changes on their way to the index.
    """
    share = settings.memory // 4
    block_cache_bytes = settings.rocksdb_block_cache_size or share
    return EngineSettings(
        sync_mode=settings.appendfsync,
        batch=BatchLimits(
            settings.write_batch_max_count,
            settings.write_batch_max_bytes,
            settings.write_batch_wait * 1000,
        ),
        value_threshold=settings.value_threshold,
        drain_entries_max=settings.drain_max_entries,
        # Below where `engine.pressure` begins to slow writers down.
        drain_bytes_max=min(settings.drain_max_bytes, share // 4),
        drain_interval_ns=settings.drain_interval * 1_000_000,
        wal_retained_bytes_max=settings.wal_retained_max,
        replay_changes_max=settings.recovery_replay_max,
        archive_interval_ns=settings.wal_archive_interval * 1_000_000,
        archive_directory=os.path.abspath(settings.wal_archive_dir)
        if settings.wal_archive_dir
        else "",
        disk_reserve_bytes=settings.disk_reserve,
        batch_widen_max=settings.write_batch_widen_max,
        throttle=_throttle_settings(settings),
        collection=_collection_settings(settings),
        pending_bytes_max=share,
        clean_cache_bytes=share,
        wal_segment_bytes=settings.wal_segment_size,
        value_segment_bytes=settings.value_log_segment_size,
        background_threads=settings.storage_threads,
        index=IndexSettings(
            block_cache_bytes=block_cache_bytes,
            write_buffer_bytes=_memtable_bytes(settings, share),
            background_jobs_max=settings.rocksdb_max_background_jobs,
            bottommost_compression=settings.rocksdb_bottommost_compression,
        ),
    )


def _memtable_bytes(settings: Settings, share: int) -> int:
    """As large as is asked for, if so many as there can be fit into their share."""
    fitting = share // IndexSettings().write_buffer_count_max
    return min(settings.rocksdb_write_buffer_size, max(fitting, MEMTABLE_BYTES_MIN))


def _collection_settings(settings: Settings) -> CollectionSettings:
    limits = CollectionLimits(settings.value_gc_threshold / 100, settings.value_gc_dead_max / 100)
    return CollectionSettings(limits=limits, rate=settings.value_gc_rate)


def _throttle_settings(settings: Settings) -> ThrottleSettings:
    return ThrottleSettings(
        level_zero_files=Limit(settings.throttle_l0_slow, settings.throttle_l0_stop),
        pending_compaction_bytes=Limit(
            settings.throttle_compaction_slow, settings.throttle_compaction_stop
        ),
        unflushed_memtables=Limit(
            settings.throttle_memtables_slow, settings.throttle_memtables_stop
        ),
        wal_bytes=Limit(settings.throttle_wal_slow, settings.throttle_wal_stop),
        rate_min=settings.throttle_rate_min,
        rate_max=settings.throttle_rate_max,
    )
