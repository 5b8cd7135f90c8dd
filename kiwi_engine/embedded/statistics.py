"""What an engine tells about itself (pure reads)."""

from __future__ import annotations

import msgspec

from kiwi_engine.embedded.driver import Driver
from kiwi_engine.engine.collection.facts import value_log_facts
from kiwi_engine.index.protocol import IndexFacts


class CommitFacts(msgspec.Struct, frozen=True):
    """The log; `requests` counts calls that waited for a group, reads among them."""

    groups: int
    groups_failed: int
    requests: int
    requests_per_group_max: int
    bytes_logged: int
    syncs: int
    sync_us_p50: int
    sync_us_p99: int
    written_lsn: int
    durable_lsn: int
    applied_lsn: int
    log_bytes: int


class MemoryFacts(msgspec.Struct, frozen=True):
    """Changes on their way to the index, and the cache of clean entries."""

    pending_keys: int
    pending_bytes: int
    drains: int
    cached_keys: int
    cache_hits: int
    cache_misses: int


class Statistics(msgspec.Struct, frozen=True):
    """Since the engine was opened.

    `values` is what `kiwi-engine stats` shows of the value log. `refusal` says why writes are
    refused, "" if they are not; `pressure` is none, slow or stop. `views` counts open snapshots and
    iterators.
    """

    commit: CommitFacts
    memory: MemoryFacts
    values: dict[str, int | float | str]
    index: IndexFacts
    pressure: str
    pressure_reasons: str
    refusal: str
    views: dict[str, int]
    open_transactions: int
    recovery_case: str
    records_replayed: int


def collect_statistics(driver: Driver) -> Statistics:
    """All facts, of nearly one moment."""
    with driver.mutex, driver.work as engine:
        refusal = engine.refusal
        pressure = engine.pressure.state
        return Statistics(
            commit=_commit(driver),
            memory=_memory(driver),
            values=value_log_facts(engine),
            index=engine.opened.index.facts(),
            pressure=pressure.name,
            pressure_reasons=pressure.why,
            refusal=refusal.text if refusal is not None else "",
            views=engine.pins.counts(),
            open_transactions=driver.history.open_transactions,
            recovery_case=engine.opened.report.case.letter,
            records_replayed=engine.opened.report.records_replayed,
        )


def _commit(driver: Driver) -> CommitFacts:
    engine = driver.engine
    pipeline, statistics = engine.pipeline, engine.pipeline.statistics
    return CommitFacts(
        groups=statistics.groups,
        groups_failed=statistics.groups_failed,
        requests=statistics.requests,
        requests_per_group_max=statistics.requests_max,
        bytes_logged=statistics.bytes_logged,
        syncs=statistics.syncs,
        sync_us_p50=statistics.sync.percentile_us(50),
        sync_us_p99=statistics.sync.percentile_us(99),
        written_lsn=pipeline.written_lsn,
        durable_lsn=pipeline.durable_lsn,
        applied_lsn=engine.housekeeping.applied_lsn,
        log_bytes=engine.opened.log.facts().retained_bytes,
    )


def _memory(driver: Driver) -> MemoryFacts:
    store = driver.engine.store
    draining, cache = store.draining, store.clean.facts()
    return MemoryFacts(
        pending_keys=len(store.generation.entries)
        + (len(draining.entries) if draining is not None else 0),
        pending_bytes=store.pending_bytes(),
        drains=driver.engine.housekeeping.drains,
        cached_keys=cache["clean_cache_keys"],
        cache_hits=cache["clean_cache_hits"],
        cache_misses=cache["clean_cache_misses"],
    )
