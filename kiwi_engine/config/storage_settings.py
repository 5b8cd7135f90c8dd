"""Settings of log, value log, index, backpressure and backup (pure)."""

from __future__ import annotations

from typing import Annotated, get_args

from kiwi_engine.config.access_settings import AccessSettings
from kiwi_engine.config.kinds import Choice, Duration, Integer, Size, Text
from kiwi_engine.config.rows import (
    BACKUP,
    DURABILITY,
    GB,
    HOUR_MS,
    INT_MAX,
    KB,
    MB,
    STORAGE,
    THROTTLE,
    BlockCompression,
    Row,
    SyncMode,
)


class StorageSettings(AccessSettings, frozen=True, kw_only=True):
    """The next sections of `Settings`."""

    # --- Durability and group commit ---
    appendfsync: Annotated[
        SyncMode,
        Row(
            DURABILITY,
            Choice(get_args(SyncMode)),
            "When the log is synced: before the replies of each group, once a second, or when the "
            "system likes. In every mode a reply waits until the system has the log record.",
            runtime=True,
            redis=True,
        ),
    ] = "always"
    write_batch_max_count: Annotated[
        int,
        Row(
            DURABILITY,
            Integer(1, 10_000_000, "commands"),
            "Commands that may share one log record and one sync.",
            runtime=True,
        ),
    ] = 16_384
    write_batch_max_bytes: Annotated[
        int,
        Row(
            DURABILITY,
            Size(1, GB),
            "Bytes of changes that may share one log record and one sync; one command's changes "
            "are never divided.",
            runtime=True,
        ),
    ] = 16 * MB
    write_batch_wait: Annotated[
        int,
        Row(
            DURABILITY,
            Duration(0, 1_000_000, "us"),
            "How long a group may wait for company while the log is idle; 0: not at all.",
            runtime=True,
        ),
    ] = 0
    write_batch_widen_max: Annotated[
        int,
        Row(
            DURABILITY,
            Integer(1, 64),
            "Factor by which write-batch-max-count and write-batch-max-bytes may grow while groups "
            "fill up or few keys are written again and again; 1: not at all.",
            runtime=True,
        ),
    ] = 4
    disk_reserve: Annotated[
        int,
        Row(
            DURABILITY,
            Size(0, 1024 * GB),
            "Free disk space below which writes are refused, so that nothing is torn by a full "
            "disk.",
            runtime=True,
        ),
    ] = 256 * MB

    # --- Log, value log and index ---
    value_threshold: Annotated[
        int,
        Row(
            STORAGE,
            Size(1, 16 * MB),
            "Values of at least this size go to the value log instead of the index.",
            runtime=True,
        ),
    ] = 2 * KB
    value_log_segment_size: Annotated[
        int,
        Row(
            STORAGE,
            Size(64, 4 * GB - 1),
            "Size at which a value log file is complete; while the value log is small, a 24th of "
            "it is enough, and at least 8 MiB.",
        ),
    ] = 256 * MB
    wal_segment_size: Annotated[
        int, Row(STORAGE, Size(64, 2 * GB), "Size of a log file, allocated ahead of its use.")
    ] = 64 * MB
    wal_retained_max: Annotated[
        int,
        Row(
            STORAGE,
            Size(64, 1024 * GB),
            "Log kept before the index is flushed so that old log files can be reused.",
            runtime=True,
        ),
    ] = 512 * MB
    recovery_replay_max: Annotated[
        int,
        Row(
            STORAGE,
            Integer(1, INT_MAX, "changes"),
            "Changes in the log beyond which the index is flushed: a restart replays at most about "
            "so many, and those not drained yet, 100,000 in about a second.",
            runtime=True,
        ),
    ] = 250_000
    value_gc_threshold: Annotated[
        int,
        Row(
            STORAGE,
            Integer(1, 100, "percent"),
            "Dead part of a value log file from which on it is collected: its live values are "
            "written again, then it is removed; 100: only files without live values.",
            runtime=True,
        ),
    ] = 60
    value_gc_dead_max: Annotated[
        int,
        Row(
            STORAGE,
            Integer(1, 100, "percent"),
            "Dead part of the whole value log beyond which the deadest files are collected even "
            "below value-gc-threshold; 100: never.",
            runtime=True,
        ),
    ] = 25
    value_gc_rate: Annotated[
        int,
        Row(
            STORAGE,
            Size(0, 1024 * GB),
            "Bytes of values that collection writes a second while the value log is within "
            "value-gc-dead-max; it doubles with every 2.5 percent beyond. 0: no limit.",
            runtime=True,
        ),
    ] = 32 * MB
    drain_max_entries: Annotated[
        int,
        Row(
            STORAGE,
            Integer(1, 100_000_000, "entries"),
            "Durable entries in the write buffer that start a drain into the index.",
            runtime=True,
        ),
    ] = 250_000
    drain_max_bytes: Annotated[
        int,
        Row(
            STORAGE,
            Size(1, 64 * GB),
            "Bytes of durable entries in the write buffer that start a drain into the index.",
            runtime=True,
        ),
    ] = 64 * MB
    drain_interval: Annotated[
        int,
        Row(
            STORAGE,
            Duration(1, HOUR_MS, "ms"),
            "Time after which durable entries are drained even if they are few.",
            runtime=True,
        ),
    ] = 5000
    rocksdb_max_background_jobs: Annotated[
        int, Row(STORAGE, Integer(1, 64), "Flushes and compactions that run at a time.")
    ] = 2
    rocksdb_write_buffer_size: Annotated[
        int,
        Row(
            STORAGE,
            Size(64 * KB, 16 * GB),
            "Size of one RocksDB memtable, at most: four of them get a quarter of `memory`.",
        ),
    ] = 64 * MB
    rocksdb_block_cache_size: Annotated[
        int,
        Row(STORAGE, Size(0, 1024 * GB), "RocksDB's block cache; 0: a share of `memory`."),
    ] = 0
    rocksdb_bottommost_compression: Annotated[
        BlockCompression,
        Row(
            STORAGE,
            Choice(get_args(BlockCompression)),
            "How RocksDB compresses its last level, which is most of it: zstd takes a third less "
            "disk, lz4 a quarter less time for a read that misses the caches.",
        ),
    ] = "lz4"

    # --- Backpressure ---
    throttle_l0_slow: Annotated[
        int,
        Row(
            THROTTLE,
            Integer(1, 60, "files"),
            "Files in RocksDB's level 0 from which on writes are slowed down.",
            runtime=True,
        ),
    ] = 12
    throttle_l0_stop: Annotated[
        int,
        Row(
            THROTTLE,
            Integer(1, 60, "files"),
            "Files in RocksDB's level 0 at which writes wait.",
            runtime=True,
        ),
    ] = 20
    throttle_compaction_slow: Annotated[
        int,
        Row(
            THROTTLE,
            Size(1, 1024 * GB),
            "Bytes waiting for RocksDB's compaction from which on writes are slowed down.",
            runtime=True,
        ),
    ] = 16 * GB
    throttle_compaction_stop: Annotated[
        int,
        Row(
            THROTTLE,
            Size(1, 1024 * GB),
            "Bytes waiting for RocksDB's compaction at which writes wait.",
            runtime=True,
        ),
    ] = 64 * GB
    throttle_memtables_slow: Annotated[
        int,
        Row(
            THROTTLE,
            Integer(1, 3, "memtables"),
            "Full memtables waiting to be written from which on writes are slowed down.",
            runtime=True,
        ),
    ] = 2
    throttle_memtables_stop: Annotated[
        int,
        Row(
            THROTTLE,
            Integer(1, 3, "memtables"),
            "Full memtables waiting to be written at which writes wait.",
            runtime=True,
        ),
    ] = 3
    throttle_wal_slow: Annotated[
        int,
        Row(
            THROTTLE,
            Size(0, 1024 * GB),
            "Log kept from which on writes are slowed down; 0: four times what wal-retained-max "
            "and four log files make.",
            runtime=True,
        ),
    ] = 0
    throttle_wal_stop: Annotated[
        int,
        Row(
            THROTTLE,
            Size(0, 1024 * GB),
            "Log kept at which writes wait; 0: eight times what wal-retained-max and four log "
            "files make.",
            runtime=True,
        ),
    ] = 0
    throttle_rate_max: Annotated[
        int,
        Row(
            THROTTLE,
            Size(1, 64 * GB),
            "Bytes a second that may be written when slowing down begins.",
            runtime=True,
        ),
    ] = 64 * MB
    throttle_rate_min: Annotated[
        int,
        Row(
            THROTTLE,
            Size(1, 64 * GB),
            "Bytes a second that may be written just before writes have to wait.",
            runtime=True,
        ),
    ] = MB
    write_hot_key_limit: Annotated[
        int,
        Row(
            THROTTLE,
            Integer(0, INT_MAX, "writes per second"),
            "Writes to one key beyond which it is answered -BUSY; 0: no limit.",
            runtime=True,
        ),
    ] = 0

    # --- Backup and archive ---
    backup_dir: Annotated[
        str,
        Row(
            BACKUP,
            Text(),
            "Where BGSAVE and SAVE keep their backup; empty: `backup` inside `dir`, which is no "
            "protection against losing the disk.",
            runtime=True,
        ),
    ] = ""
    backup_rate: Annotated[
        int,
        Row(
            BACKUP,
            Size(0, 1024 * GB),
            "Bytes a second that a backup reads at most; 0: as many as the disk gives.",
            runtime=True,
        ),
    ] = 128 * MB
    wal_archive_dir: Annotated[
        str,
        Row(
            BACKUP,
            Text(),
            "Where every durable log record is archived for restores up to a moment; empty: "
            "nowhere.",
        ),
    ] = ""
    wal_archive_interval: Annotated[
        int,
        Row(
            BACKUP,
            Duration(1, 24 * HOUR_MS, "ms"),
            "How often new log records are archived: so much may be lost with the disk.",
            runtime=True,
        ),
    ] = 10_000
