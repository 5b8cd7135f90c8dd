"""All settings: their names, types, defaults, ranges and meaning, one row each (pure).

The row is the only place that knows a key: flags, environment, file, `CONFIG`, the sample file and
the reference page are derived from it (`config.schema`). The key of `value_threshold` is
`value-threshold`. Ranges admit absurdly small values, because tests need them, but no nonsense.
"""

from __future__ import annotations

from typing import Annotated, get_args

from kiwi_engine.config.kinds import Choice, Duration, Integer, Size
from kiwi_engine.config.latency_settings import LatencySettings
from kiwi_engine.config.rows import (
    GB,
    HOUR_MS,
    INT_MAX,
    MB,
    RUNTIME,
    Row,
    RuntimeMode,
)


class Settings(LatencySettings, frozen=True, kw_only=True):
    """A complete, validated configuration; sizes are bytes, durations as their row says."""

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
            Size(MB, 1024 * GB),
            "Budget for write buffer, read cache and RocksDB's caches and memtables.",
        ),
    ] = 512 * MB
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
            Size(1, 64 * GB),
            "Bytes that may be under way to the storage runtime before clients are held back.",
        ),
    ] = 64 * MB
    request_timeout: Annotated[
        int,
        Row(
            RUNTIME,
            Duration(1, 24 * HOUR_MS, "ms"),
            "Time after which a request that storage has not answered gets an error.",
            runtime=True,
        ),
    ] = 30_000
    busy_reply_threshold: Annotated[
        int,
        Row(
            RUNTIME,
            Duration(0, INT_MAX, "ms"),
            "Time after which a script is slow: other commands are answered BUSY then, and SCRIPT "
            "KILL can end it; 0: never.",
            runtime=True,
            redis=True,
            alias="lua-time-limit",
        ),
    ] = 5000
    lua_memory_max: Annotated[
        int,
        Row(
            RUNTIME,
            Size(MB, 64 * GB),
            "Memory of the interpreter of scripts, and of that of functions; a script that needs "
            "more gets an error.",
            runtime=True,
        ),
    ] = 64 * MB
