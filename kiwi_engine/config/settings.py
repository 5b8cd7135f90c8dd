"""All settings: their names, types, defaults, ranges and meaning, one row each (pure).

The row is the only place that knows a key: flags, environment, file, `CONFIG`, the sample file and
the reference page are derived from it (`config.schema`). The key of `value_threshold` is
`value-threshold`. Ranges admit absurdly small values, because tests need them, but no nonsense.
"""

from __future__ import annotations

from typing import Annotated

from kiwi_engine.config.kinds import Duration, Integer, Size
from kiwi_engine.config.lifecycle_settings import LifecycleSettings
from kiwi_engine.config.rows import (
    GB,
    INT_MAX,
    MB,
    RUNTIME,
    Row,
)


class Settings(LifecycleSettings, frozen=True, kw_only=True):
    """A complete, validated configuration; sizes are bytes, durations as their row says."""

    # --- Memory, threads and scripts ---
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
