"""All settings: their names, types, defaults, ranges and meaning, one row each (pure).

The row is the only place that knows a key: flags, environment, file, `CONFIG`, the sample file and
the reference page are derived from it (`config.schema`). The key of `value_threshold` is
`value-threshold`. Ranges admit absurdly small values, because tests need them, but no nonsense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

import msgspec

from kiwi_engine.config.kinds import Choice, Duration, Integer, Kind, Size, Text, Words

_KB: Final = 1024
_MB: Final = 1024**2
_GB: Final = 1024**3
_INT_MAX: Final = 2**31 - 1
_HOUR_MS: Final = 3_600_000

NETWORK: Final = "Network"
DURABILITY: Final = "Durability and group commit"
STORAGE: Final = "Log, value log and index"
THROTTLE: Final = "Backpressure"
BACKUP: Final = "Backup and archive"
RUNTIME: Final = "Processes, memory and limits"
SERVER: Final = "Server"

# In the order in which Redis lists them.
SyncMode = Literal["everysec", "always", "no"]
LogLevel = Literal["debug", "verbose", "notice", "warning"]
DebugAccess = Literal["no", "yes", "local"]
RuntimeMode = Literal["dual", "single"]


@dataclass(frozen=True)
class Row:
    """What is said about a key. `runtime`: `CONFIG SET` may change it. `redis`: a key of Redis."""

    section: str
    kind: Kind
    help: str
    runtime: bool = False
    redis: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A complete, validated configuration; sizes are bytes, durations as their row says."""

    # --- Network ---
    port: Annotated[
        int, Row(NETWORK, Integer(1, 65535), "TCP port on which clients connect.", redis=True)
    ] = 7379
    bind: Annotated[
        tuple[str, ...],
        Row(
            NETWORK,
            Words(),
            "Addresses to listen on. A server that others can reach should set requirepass.",
            redis=True,
        ),
    ] = ("127.0.0.1",)
    tcp_backlog: Annotated[
        int,
        Row(NETWORK, Integer(1, 65535), "Connections that may wait to be accepted.", redis=True),
    ] = 511
    tcp_keepalive: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, 86400, "seconds"),
            "Idle seconds after which the kernel probes a client that may be gone; 0: never.",
            redis=True,
        ),
    ] = 300
    timeout: Annotated[
        int,
        Row(
            NETWORK,
            Integer(0, _INT_MAX, "seconds"),
            "Idle seconds after which a client is disconnected; 0: never.",
            runtime=True,
            redis=True,
        ),
    ] = 0
    maxclients: Annotated[
        int,
        Row(
            NETWORK,
            Integer(1, 2**32 - 1),
            "Connections served at a time; one more is told so and closed.",
            runtime=True,
            redis=True,
        ),
    ] = 10_000
    requirepass: Annotated[
        str,
        Row(
            NETWORK,
            Text(),
            "Password that clients must give with AUTH or HELLO; empty: none is asked for.",
            runtime=True,
            redis=True,
        ),
    ] = ""
    proto_max_bulk_len: Annotated[
        int,
        Row(
            NETWORK,
            Size(_KB, _GB - _MB),
            "Longest single string in a request, and longest value that a command may build.",
            runtime=True,
            redis=True,
        ),
    ] = 512 * _MB

    # --- Server ---
    dir: Annotated[
        str,
        Row(
            SERVER,
            Text(must_be_given=True),
            "Data directory; created if missing, owned by one server at a time.",
            redis=True,
        ),
    ] = "kiwi-data"
    databases: Annotated[
        int, Row(SERVER, Integer(1, 1024), "Databases that SELECT can choose from.", redis=True)
    ] = 16
    loglevel: Annotated[
        LogLevel,
        Row(
            SERVER,
            Choice(get_args(LogLevel)),
            "How much is logged.",
            runtime=True,
            redis=True,
        ),
    ] = "notice"
    logfile: Annotated[
        str, Row(SERVER, Text(), "File to log to; empty: standard error.", redis=True)
    ] = ""
    hz: Annotated[
        int,
        Row(
            SERVER,
            Integer(1, 500, "per second"),
            "Cycles in which expired keys are looked for.",
            runtime=True,
            redis=True,
        ),
    ] = 10
    enable_debug_command: Annotated[
        DebugAccess,
        Row(
            SERVER,
            Choice(get_args(DebugAccess)),
            "Who may use DEBUG; local: only clients of this machine.",
            redis=True,
        ),
    ] = "no"

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
            Size(1, _GB),
            "Bytes of changes that may share one log record and one sync; one command's changes "
            "are never divided.",
            runtime=True,
        ),
    ] = 16 * _MB
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
            Size(0, 1024 * _GB),
            "Free disk space below which writes are refused, so that nothing is torn by a full "
            "disk.",
            runtime=True,
        ),
    ] = 256 * _MB

    # --- Log, value log and index ---
    value_threshold: Annotated[
        int,
        Row(
            STORAGE,
            Size(1, 16 * _MB),
            "Values of at least this size go to the value log instead of the index.",
            runtime=True,
        ),
    ] = 2 * _KB
    value_log_segment_size: Annotated[
        int,
        Row(
            STORAGE,
            Size(64, 4 * _GB - 1),
            "Size at which a value log file is complete; while the value log is small, a 24th of "
            "it is enough, and at least 8 MiB.",
        ),
    ] = 256 * _MB
    wal_segment_size: Annotated[
        int, Row(STORAGE, Size(64, 2 * _GB), "Size of a log file, allocated ahead of its use.")
    ] = 64 * _MB
    wal_retained_max: Annotated[
        int,
        Row(
            STORAGE,
            Size(64, 1024 * _GB),
            "Log kept before the index is flushed so that old log files can be reused; bounds the "
            "time of a recovery.",
            runtime=True,
        ),
    ] = 512 * _MB
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
            Size(0, 1024 * _GB),
            "Bytes of values that collection writes a second while the value log is within "
            "value-gc-dead-max; it doubles with every 2.5 percent beyond. 0: no limit.",
            runtime=True,
        ),
    ] = 32 * _MB
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
            Size(1, 64 * _GB),
            "Bytes of durable entries in the write buffer that start a drain into the index.",
            runtime=True,
        ),
    ] = 64 * _MB
    drain_interval: Annotated[
        int,
        Row(
            STORAGE,
            Duration(1, _HOUR_MS, "ms"),
            "Time after which durable entries are drained even if they are few.",
            runtime=True,
        ),
    ] = 5000
    rocksdb_max_background_jobs: Annotated[
        int, Row(STORAGE, Integer(1, 64), "Flushes and compactions that run at a time.")
    ] = 2
    rocksdb_write_buffer_size: Annotated[
        int, Row(STORAGE, Size(64 * _KB, 16 * _GB), "Size of one RocksDB memtable.")
    ] = 64 * _MB
    rocksdb_block_cache_size: Annotated[
        int,
        Row(STORAGE, Size(0, 1024 * _GB), "RocksDB's block cache; 0: a share of `memory`."),
    ] = 0

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
            Size(1, 1024 * _GB),
            "Bytes waiting for RocksDB's compaction from which on writes are slowed down.",
            runtime=True,
        ),
    ] = 16 * _GB
    throttle_compaction_stop: Annotated[
        int,
        Row(
            THROTTLE,
            Size(1, 1024 * _GB),
            "Bytes waiting for RocksDB's compaction at which writes wait.",
            runtime=True,
        ),
    ] = 64 * _GB
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
            Size(0, 1024 * _GB),
            "Log kept from which on writes are slowed down; 0: four times what wal-retained-max "
            "and four log files make.",
            runtime=True,
        ),
    ] = 0
    throttle_wal_stop: Annotated[
        int,
        Row(
            THROTTLE,
            Size(0, 1024 * _GB),
            "Log kept at which writes wait; 0: eight times what wal-retained-max and four log "
            "files make.",
            runtime=True,
        ),
    ] = 0
    throttle_rate_max: Annotated[
        int,
        Row(
            THROTTLE,
            Size(1, 64 * _GB),
            "Bytes a second that may be written when slowing down begins.",
            runtime=True,
        ),
    ] = 64 * _MB
    throttle_rate_min: Annotated[
        int,
        Row(
            THROTTLE,
            Size(1, 64 * _GB),
            "Bytes a second that may be written just before writes have to wait.",
            runtime=True,
        ),
    ] = _MB
    write_hot_key_limit: Annotated[
        int,
        Row(
            THROTTLE,
            Integer(0, _INT_MAX, "writes per second"),
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
            Size(0, 1024 * _GB),
            "Bytes a second that a backup reads at most; 0: as many as the disk gives.",
            runtime=True,
        ),
    ] = 128 * _MB
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
            Duration(1, 24 * _HOUR_MS, "ms"),
            "How often new log records are archived: so much may be lost with the disk.",
            runtime=True,
        ),
    ] = 10_000

    # --- Processes, memory and limits ---
    runtime_mode: Annotated[
        RuntimeMode,
        Row(
            RUNTIME,
            Choice(get_args(RuntimeMode)),
            "dual: the storage runtime is a process of its own. single: everything in one process.",
        ),
    ] = "dual"
    memory: Annotated[
        int,
        Row(
            RUNTIME,
            Size(_MB, 1024 * _GB),
            "Budget for write buffer, read cache and RocksDB's caches and memtables.",
        ),
    ] = 512 * _MB
    storage_threads: Annotated[
        int,
        Row(
            RUNTIME,
            Integer(1, 64),
            "Background threads of the storage runtime: log files ahead, drains, flushes.",
        ),
    ] = 2
    channel_buffer_size: Annotated[
        int,
        Row(
            RUNTIME,
            Integer(1, 10_000_000, "commands"),
            "Commands that may be under way to the storage runtime before clients are held back.",
        ),
    ] = 65_536
    channel_buffer_bytes: Annotated[
        int,
        Row(
            RUNTIME,
            Size(1, 64 * _GB),
            "Bytes that may be under way to the storage runtime before clients are held back.",
        ),
    ] = 64 * _MB
    request_timeout: Annotated[
        int,
        Row(
            RUNTIME,
            Duration(1, 24 * _HOUR_MS, "ms"),
            "Time after which a request that storage has not answered gets an error.",
            runtime=True,
        ),
    ] = 30_000
