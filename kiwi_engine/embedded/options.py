"""The options of `kiwi_engine.open` (pure).

They are the server's settings, as far as they concern the engine, with underscores: `memory="1GB"`,
`appendfsync="everysec"`. `docs/configuration.md` describes each.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final, TypedDict

import msgspec

from kiwi_engine.config.rows import (
    ACCESS,
    CHANNEL,
    LATENCY,
    LIFECYCLE,
    NETWORK,
    SERVER,
    TYPES,
    BlockCompression,
    SyncMode,
)
from kiwi_engine.config.schema import SCHEMA, Key
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError

# What concerns clients and commands: whole sections, and settings of others.
_SERVER_SECTIONS: Final = frozenset((ACCESS, CHANNEL, LATENCY, LIFECYCLE, NETWORK, SERVER, TYPES))
_SERVER_ONLY: Final = frozenset(
    {
        "backup-dir",
        "busy-reply-threshold",
        "lua-memory-max",
        "write-hot-key-limit",
    }
)

OPTIONS: Final[Mapping[str, Key]] = {
    key.field: key
    for key in SCHEMA.values()
    if key.row.section not in _SERVER_SECTIONS and key.name not in _SERVER_ONLY
}


class Options(TypedDict, total=False):
    """The types of `OPTIONS`, for type checkers; a test compares the two."""

    appendfsync: SyncMode
    write_batch_max_count: int | str
    write_batch_max_bytes: int | str
    write_batch_wait: int | str
    write_batch_widen_max: int | str
    disk_reserve: int | str
    value_threshold: int | str
    value_log_segment_size: int | str
    wal_segment_size: int | str
    wal_retained_max: int | str
    recovery_replay_max: int | str
    value_gc_threshold: int | str
    value_gc_dead_max: int | str
    value_gc_rate: int | str
    drain_max_entries: int | str
    drain_max_bytes: int | str
    drain_interval: int | str
    rocksdb_max_background_jobs: int | str
    rocksdb_write_buffer_size: int | str
    rocksdb_block_cache_size: int | str
    rocksdb_bottommost_compression: BlockCompression
    throttle_l0_slow: int | str
    throttle_l0_stop: int | str
    throttle_compaction_slow: int | str
    throttle_compaction_stop: int | str
    throttle_memtables_slow: int | str
    throttle_memtables_stop: int | str
    throttle_wal_slow: int | str
    throttle_wal_stop: int | str
    throttle_rate_max: int | str
    throttle_rate_min: int | str
    backup_rate: int | str
    wal_archive_dir: str
    wal_archive_interval: int | str
    memory: int | str
    storage_threads: int | str


def settings_from(options: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """`base` (default: the defaults) with `options`; `ConfigError` lists all that is wrong.

    With a `base`, only what may be changed while the engine runs is accepted.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, value in options.items():
        key = OPTIONS.get(name)
        if key is None:
            problems.append(_unknown(name))
        elif base is not None and not key.row.runtime:
            problems.append(f"{name} cannot be changed while the engine is open")
        else:
            try:
                values[name] = key.parse([_text(value)])
            except ValueError as problem:
                problems.append(f"{name} {value!r}: {problem}")
    if problems:
        raise ConfigError(problems)
    return msgspec.structs.replace(base or Settings(), **values)


def _text(value: object) -> str:
    """What a file would say; True would be taken for 1 otherwise."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a number or a text")
    return str(value)


def _unknown(name: str) -> str:
    if name.replace("_", "-") in SCHEMA:
        return f"{name} concerns servers only"
    near = difflib.get_close_matches(name, list(OPTIONS), n=1)
    return f"unknown option {name}" + (f"; did you mean {near[0]}?" if near else "")
