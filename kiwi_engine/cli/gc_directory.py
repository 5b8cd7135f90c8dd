"""Collecting the value log of a directory that no server has open (glue)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import msgspec

from kiwi_engine.cli.facts import Scalar
from kiwi_engine.clock import sleep
from kiwi_engine.config.load import load_settings
from kiwi_engine.engine.collection.facts import value_log_facts
from kiwi_engine.engine.layout import Paths, check_layout, read_layout
from kiwi_engine.errors import DiskFullError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.server.storage.runtime import StorageRuntime

_TICK_S: Final = 0.001
_TICKS_A_SHOW: Final = 100

Section = dict[str, Scalar | dict[str, Scalar]]


def collect_directory(
    directory: str,
    config: str | None,
    threshold: int,
    show: Callable[[Section], None],
) -> tuple[Section, Section]:
    """The facts of the value log before and after; without a limit to the rate.

    Dead namespaces, collections and expired keys are removed first: their values are dead, too.
    `NotADirectoryError` if it is no data directory; else raises what `Engine.open` does.
    """
    paths = Paths(directory)
    layout = read_layout(PosixFileSystem(), paths)
    if layout is None:
        raise NotADirectoryError(f"{directory} is not a Kiwi Engine data directory")
    check_layout(layout, paths.layout)
    settings = load_settings(config, os.environ, {"dir": directory})
    # Nothing is collected but for what is asked for.
    settings = msgspec.structs.replace(
        settings, value_gc_threshold=100, value_gc_dead_max=100, value_gc_rate=0
    )
    runtime = StorageRuntime(settings, lambda replies, answers: None)
    try:
        before: Section = dict(value_log_facts(runtime.engine))
        _run_until(runtime, lambda: _is_reclaimed(runtime), show)
        runtime.engine.collector.collect(threshold / 100)
        _run_until(runtime, lambda: not runtime.engine.collector.is_collecting, show)
        return before, dict(value_log_facts(runtime.engine))
    finally:
        runtime.close()


def _is_reclaimed(runtime: StorageRuntime) -> bool:
    """Or cannot be, for lack of space; collecting may bring some."""
    keyspace = runtime.keyspace
    is_clean = not keyspace.dead_namespaces and not keyspace.reclaimer.orphan_count()
    return is_clean or runtime.engine.refusal is not None


def _run_until(
    runtime: StorageRuntime, is_done: Callable[[], bool], show: Callable[[Section], None]
) -> None:
    """Drive the runtime; raises the reason if it cannot write any more."""
    ticks = 0
    while not is_done():
        refusal = runtime.engine.refusal
        is_full = isinstance(refusal, DiskFullError) and runtime.engine.pipeline.failure is None
        if refusal is not None and not is_full:
            raise refusal
        runtime.tick()
        sleep(_TICK_S)
        ticks += 1
        if ticks % _TICKS_A_SHOW == 0:
            show(dict(value_log_facts(runtime.engine)))
