"""The knobs of the index (pure)."""

from __future__ import annotations

import msgspec

from kiwi_engine.config.rows import BlockCompression

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


class IndexSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much memory, how many files and threads RocksDB may use.

    Memory is bounded by `block_cache_bytes` (which also holds the index and filter blocks of the
    tables) plus `write_buffer_bytes * write_buffer_count_max`. The level-zero counts are RocksDB's
    own brakes; the engine's throttle acts earlier. `tolerates_damage`: open although tables are
    missing or damaged; reading what they hold raises. For a salvage, which only reads.
    """

    block_cache_bytes: int = 256 * MEBIBYTE
    write_buffer_bytes: int = 64 * MEBIBYTE
    write_buffer_count_max: int = 4
    background_jobs_max: int = 2
    open_files_max: int = 512
    bloom_bits_per_key: int = 10
    level_zero_compaction_files: int = 4
    level_zero_slowdown_files: int = 64
    level_zero_stop_files: int = 96
    table_bytes: int = 64 * MEBIBYTE
    level_base_bytes: int = 256 * MEBIBYTE
    bottommost_compression: BlockCompression = "lz4"
    tolerates_damage: bool = False
