"""From the configuration that people write to the knobs of the engine (pure)."""

from __future__ import annotations

from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.config.settings import Settings
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.index.settings import IndexSettings


def engine_settings(settings: Settings) -> EngineSettings:
    """`memory` is shared out: a quarter each to RocksDB's blocks, to clean entries and to changes
    on their way to the index; the rest is for memtables, the channel and the interpreter.
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
        drain_bytes_max=min(settings.drain_max_bytes, share // 2),
        drain_interval_ns=settings.drain_interval * 1_000_000,
        wal_retained_bytes_max=settings.wal_retained_max,
        disk_reserve_bytes=settings.disk_reserve,
        pending_bytes_max=share,
        clean_cache_bytes=share,
        wal_segment_bytes=settings.wal_segment_size,
        value_segment_bytes=settings.value_log_segment_size,
        background_threads=settings.storage_threads,
        index=IndexSettings(
            block_cache_bytes=block_cache_bytes,
            write_buffer_bytes=settings.rocksdb_write_buffer_size,
            background_jobs_max=settings.rocksdb_max_background_jobs,
        ),
    )
