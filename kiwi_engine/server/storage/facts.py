"""What the storage runtime tells about itself, for INFO and `kiwi-engine stats` (pure reads)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiwi_engine.clock import wall_ms
from kiwi_engine.engine.collection.facts import value_log_facts
from kiwi_engine.server.storage.pressure_facts import backpressure_facts

if TYPE_CHECKING:
    from kiwi_engine.engine.engine import Engine
    from kiwi_engine.server.storage.runtime import StorageRuntime

Section = dict[str, Any]


def storage_facts(runtime: StorageRuntime) -> dict[str, Section]:
    """Sections by name; numbers are numbers, times say their unit in their name."""
    return {
        "clients": _waiting(runtime),
        "memory": _scripts(runtime),
        "stats": _expiry(runtime),
        "persistence": _persistence(runtime),
        "runtime": {"network_silence_ms_peak": runtime.network_silence.peak_ns // 1_000_000},
        "commitworker": _commit_worker(runtime),
        "valuelog": _value_log(runtime),
        "rocksdb": _index(runtime),
        "backpressure": backpressure_facts(runtime),
        "hotkeys": runtime.runs.hot_keys.facts(),
        "keyspace": _keyspace(runtime),
        "commandstats": _command_statistics(runtime),
        "latencystats": {
            name: usage.latency.counts()
            for name, usage in runtime.executor.usage.items()
            if usage.latency.count
        },
        "errorstats": dict(runtime.executor.errors),
    }


def _waiting(runtime: StorageRuntime) -> Section:
    waiting = runtime.runs.blocked.runs
    return {
        "total_blocking_keys": waiting.key_count,
        "total_blocking_keys_on_nokey": waiting.absence_count,
    }


def _scripts(runtime: StorageRuntime) -> Section:
    scripts, functions = runtime.executor.scripts, runtime.executor.functions
    if scripts.runner.current is None:
        # Loaded now, if they have not been asked for since the start.
        libraries, function_count = len(functions.libraries), functions.function_count
    else:
        libraries, function_count = functions.counts_nowait()
    return {
        "used_memory_lua": scripts.memory_bytes,
        "used_memory_vm_eval": scripts.memory_bytes,
        "used_memory_scripts_eval": scripts.cache.size,
        "number_of_cached_scripts": len(scripts.cache),
        "number_of_functions": function_count,
        "number_of_libraries": libraries,
        "used_memory_vm_functions": functions.used_bytes,
    }


def _persistence(runtime: StorageRuntime) -> Section:
    engine = runtime.engine
    log, pipeline, report = engine.opened.log.facts(), engine.pipeline, engine.opened.report
    refusal = engine.refusal
    return {
        "appendfsync": pipeline.sync_mode,
        "written_lsn": pipeline.written_lsn,
        "durable_lsn": pipeline.durable_lsn,
        "unsynced_bytes": pipeline.unsynced_bytes,
        "unsynced_ms": pipeline.unsynced_ns // 1_000_000,
        "unsynced_ms_max": pipeline.statistics.unsynced.maximum_us // 1000,
        "applied_lsn": engine.housekeeping.applied_lsn,
        "index_flushed_lsn": engine.housekeeping.flushed_lsn,
        "retained_lsn": log.oldest_lsn,
        "wal_segments": log.segments,
        "wal_bytes": log.retained_bytes,
        "wal_segments_prepared": log.prepared,
        "wal_segments_recycled": log.recycled,
        "wal_segments_released": engine.housekeeping.segments_released,
        "wal_rotations": log.rotations,
        "writes_refused": int(refusal is not None),
        "writes_refused_reason": refusal.text if refusal is not None else "",
        "last_sync_error": pipeline.statistics.last_sync_error,
        "recovery_case": report.case.letter,
        "recovery_records_replayed": report.records_replayed,
        "recovery_torn_tail": report.torn_tail,
        "recovery_ms": report.duration_ms,
        "disk_free_bytes": engine.housekeeping.disk_free_bytes,
        **runtime.backup_service.save_facts(),
        **_backups(engine),
    }


def _backups(engine: Engine) -> Section:
    backups, archive = engine.backups, engine.archiver.facts()
    done, total = backups.progress
    return {
        "backup_in_progress": int(backups.in_progress),
        "backup_done_bytes": done,
        "backup_total_bytes": total,
        "backups_made": backups.made,
        "last_backup_lsn": backups.last.last_lsn if backups.last is not None else 0,
        "last_backup_error": backups.failure,
        "archive_enabled": int(archive.enabled),
        "archived_lsn": archive.archived_lsn,
        "archive_lag": archive.lag,
        "archive_bytes_written": archive.bytes_written,
        "archive_failures": archive.failures,
        "last_archive_error": archive.last_error,
    }


def _commit_worker(runtime: StorageRuntime) -> Section:
    engine = runtime.engine
    statistics, store = engine.pipeline.statistics, engine.store
    groups = statistics.groups
    return {
        "groups": groups,
        "groups_full": statistics.groups_full,
        "group_limits_factor": engine.widening.factor,
        "groups_failed": statistics.groups_failed,
        "requests": statistics.requests,
        "requests_per_group_avg": round(statistics.requests / groups, 2) if groups else 0,
        "requests_per_group_max": statistics.requests_max,
        "wal_bytes_written": statistics.bytes_logged,
        "syncs": statistics.syncs,
        **statistics.sync.facts("sync"),
        **statistics.commit.facts("commit"),
        "queue_depth": engine.pipeline.depth,
        "waits": statistics.waits,
        "waits_us": statistics.waits_ns // 1000,
        "write_buffer_keys": len(store.generation.entries),
        "write_buffer_bytes": store.pending_bytes(),
        "drains": engine.housekeeping.drains,
        "drain_running": int(engine.housekeeping.jobs.is_running("drain")),
        **store.clean.facts(),
    }


def _value_log(runtime: StorageRuntime) -> Section:
    return value_log_facts(runtime.engine)


def _index(runtime: StorageRuntime) -> Section:
    index = runtime.engine.opened.index
    facts = index.facts()
    levels = {f"level{n}_files": count for n, count in enumerate(facts.files_per_level)}
    others = [name for name in facts.__struct_fields__ if name != "files_per_level"]
    return {
        "index_version": index.version,
        **levels,
        **{name: getattr(facts, name) for name in others},
        "drain_stalls": runtime.engine.housekeeping.drainer.stalls,
    }


def _expiry(runtime: StorageRuntime) -> Section:
    return {
        "expired_keys": runtime.keyspace.expiry.expired_count,
        "expired_subkeys": runtime.keyspace.expiry.expired_fields,
        "evicted_scripts": runtime.executor.scripts.cache.evicted,
        "namespaces_to_reclaim": runtime.keyspace.dead_namespaces,
        "collections_to_reclaim": runtime.keyspace.reclaimer.orphan_count(),
        "tracking_total_keys": len(runtime.executor.tracker.keys),
        "tracking_total_items": runtime.executor.tracker.keys.item_count,
    }


def _keyspace(runtime: StorageRuntime) -> Section:
    return {
        f"db{facts.database}": {
            "keys": facts.keys,
            "expires": facts.expires,
            "avg_ttl": facts.average_ttl_ms,
        }
        for facts in runtime.keyspace.facts(wall_ms())
    }


def _command_statistics(runtime: StorageRuntime) -> Section:
    return {
        name: {
            "calls": usage.calls,
            "usec": usage.time_ns // 1000,
            "rejected_calls": usage.rejected,
            "failed_calls": usage.failed,
        }
        for name, usage in runtime.executor.usage.items()
    }
