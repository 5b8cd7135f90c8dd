"""What one may ask of an engine besides reading and writing (shell: any thread).

The work is done by the engine's own threads; the caller looks now and then whether it has ended.
"""

from __future__ import annotations

import os
from typing import Final

from kiwi_engine.clock import sleep
from kiwi_engine.embedded.driver import Driver, again
from kiwi_engine.engine.backup.job import BackupOrder, BackupReport
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.pins import Pin
from kiwi_engine.errors import BackupError, EnginePoisonedError

_POLL_PAUSE_S: Final = 0.002


def sync(driver: Driver) -> None:
    """Return when everything written so far is on the device; `EnginePoisonedError` if not."""
    with driver.mutex, driver.work as engine:
        waiter = driver.barrier()
    if not driver.is_acknowledged(waiter):
        raise again(engine.refusal or EnginePoisonedError("the log failed"))
    pipeline = engine.pipeline
    lsn = pipeline.acknowledged_lsn
    while pipeline.durable_lsn < lsn:
        with driver.mutex, driver.work:
            pass  # raises where the engine was closed
        if pipeline.failure is not None:
            raise again(pipeline.failure)
        pipeline.want_sync()
        sleep(_POLL_PAUSE_S)


def flush(driver: Driver) -> None:
    """Return when everything written so far is in the index, and that on disk."""
    sync(driver)
    lsn = driver.engine.pipeline.durable_lsn
    housekeeping = driver.engine.housekeeping
    while housekeeping.applied_lsn < lsn:
        with driver.mutex, driver.work as engine:
            if engine.refusal is not None:
                raise again(engine.refusal)
            housekeeping.drain_soon()
        driver.alarm()
        sleep(_POLL_PAUSE_S)
    pin = Pin("read")
    try:
        driver.open_pin(pin)
        driver.engine.opened.index.flush()
    finally:
        pin.is_open = False


def collect(driver: Driver, share: float) -> int:
    """Give back dead space of the value log; returns how many bytes of disk were freed.

    Segments of which `share` (0.01 to 1) or more is dead are collected. Those that a view still
    needs are removed after that was closed.
    """
    if not 0.01 <= share <= 1:
        # At 0 each segment would be rewritten for ever.
        raise ValueError(f"a share is 0.01 to 1, not {share}")
    flush(driver)  # only what is drained is known to be dead

    def begin(engine: Engine) -> int:
        freed_bytes = engine.collector.statistics.bytes_freed
        engine.collector.collect(share)
        return freed_bytes

    before = driver.on_own_thread(begin)
    while True:
        driver.alarm()
        with driver.mutex, driver.work as engine:
            is_over = not engine.collector.is_collecting and engine.collector.state() != "settling"
            refusal = engine.refusal
        if is_over:
            return engine.collector.statistics.bytes_freed - before
        if isinstance(refusal, EnginePoisonedError):
            raise again(refusal)
        sleep(_POLL_PAUSE_S)


def backup(driver: Driver, target: str | os.PathLike[str], incremental: bool) -> BackupReport:
    """Make a backup while everything goes on; `BackupError` says why there is none."""
    order = BackupOrder(
        target=os.path.abspath(os.fspath(target)),
        incremental=incremental,
        bytes_per_second=driver.settings.backup_rate,
    )

    def begin(engine: Engine) -> int:
        engine.backups.start(order)
        return engine.backups.made

    number = driver.on_own_thread(begin)
    backups = driver.engine.backups
    while True:
        driver.alarm()
        with driver.mutex, driver.work:
            if not backups.in_progress:
                break
        sleep(_POLL_PAUSE_S)
    if backups.made == number or backups.last is None:
        raise BackupError(backups.failure)
    return backups.last
