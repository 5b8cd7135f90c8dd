"""`IndexSettings` as RocksDB options (glue)."""

from __future__ import annotations

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    ChecksumType,
    DBCompressionType,
    Options,
    ReadOptions,
    WriteOptions,
)

from kiwi_engine.index.settings import KIBIBYTE, MEBIBYTE, IndexSettings
from kiwi_engine.index.table_format import FORMAT_VERSION

# RocksDB's own text log: enough to see a bad day, never more than a few megabytes.
_INFO_LOG_BYTES_MAX = 1 * MEBIBYTE
_INFO_LOG_FILES_MAX = 4
# Above all limits that `throttle-compaction-stop` can have: the engine's throttle acts on the same
# figure, and waits without refusing the drain.
_PENDING_COMPACTION_SLOWDOWN_BYTES = 2 * 1024 * 1024 * MEBIBYTE
_PENDING_COMPACTION_STOP_BYTES = 4 * 1024 * 1024 * MEBIBYTE
# Written-back in small steps, so that the log's fdatasync never queues behind a whole table.
_SYNC_STEP_BYTES = 1 * MEBIBYTE
# Of an index or a filter: as large as a data block.
_PARTITION_BYTES = 4 * KIBIBYTE


def database_options(settings: IndexSettings, *, create: bool) -> Options:
    """Options of the whole database; it has one column family."""
    options = Options(raw_mode=True)
    options.create_if_missing(create)
    options.set_paranoid_checks(not settings.tolerates_damage)
    options.set_max_open_files(settings.open_files_max)
    options.set_max_background_jobs(settings.background_jobs_max)
    options.set_bytes_per_sync(_SYNC_STEP_BYTES)
    options.set_max_log_file_size(_INFO_LOG_BYTES_MAX)
    options.set_keep_log_file_num(_INFO_LOG_FILES_MAX)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    _shape_tree(options, settings)
    options.set_block_based_table_factory(_table_options(settings))
    return options


def _shape_tree(options: Options, settings: IndexSettings) -> None:
    options.set_write_buffer_size(settings.write_buffer_bytes)
    options.set_max_write_buffer_number(settings.write_buffer_count_max)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_max_bytes_for_level_base(settings.level_base_bytes)
    options.set_target_file_size_base(settings.table_bytes)
    options.set_level_zero_file_num_compaction_trigger(settings.level_zero_compaction_files)
    options.set_level_zero_slowdown_writes_trigger(settings.level_zero_slowdown_files)
    options.set_level_zero_stop_writes_trigger(settings.level_zero_stop_files)
    options.set_soft_pending_compaction_bytes_limit(_PENDING_COMPACTION_SLOWDOWN_BYTES)
    options.set_hard_pending_compaction_bytes_limit(_PENDING_COMPACTION_STOP_BYTES)
    options.set_compression_type(DBCompressionType.lz4())
    if settings.bottommost_compression == "zstd":
        options.set_bottommost_compression_type(DBCompressionType.zstd())


def _table_options(settings: IndexSettings) -> BlockBasedOptions:
    table = BlockBasedOptions()
    table.set_block_cache(Cache(settings.block_cache_bytes))
    # Both as `index.table_format` reads them, whatever a later RocksDB prefers.
    table.set_format_version(FORMAT_VERSION)
    table.set_checksum_type(ChecksumType.crc32c())
    table.set_bloom_filter(settings.bloom_bits_per_key, False)
    # Index and filter blocks grow with the data; in the cache they stay inside its bound. In parts,
    # because a whole one is larger than a shard of a small cache, and would be read for each key.
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_index_type(BlockBasedIndexType.two_level_index_search())
    table.set_partition_filters(True)
    table.set_metadata_block_size(_PARTITION_BYTES)
    table.set_pin_top_level_index_and_filter(True)
    return table


def write_options() -> WriteOptions:
    """No log of RocksDB's own, and never a wait: rocksdict writes holding the interpreter lock."""
    options = WriteOptions()
    options.no_slowdown = True
    # An attribute in rocksdict 0.3.29, although its type stub declares a method.
    options.disable_wal = True  # type: ignore[method-assign, assignment]
    return options


def scan_options() -> ReadOptions:
    """For iterators. No bounds: rocksdict encodes them as in its typed mode, whatever the mode."""
    options = ReadOptions()
    options.set_verify_checksums(True)
    return options
